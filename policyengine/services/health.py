"""Whether the service can do its work."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.model.ids import Digest
from policyengine.services.errors import UnavailableError
from policyengine.services.policies import PolicyShelf
from policyengine.services.ports import AuditReads


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`ready` is what a load balancer asks; `problems` says why not, or what is degraded, as stable codes."""

    ready: bool
    problems: tuple[str, ...]
    bundle: Digest | None
    generation: int | None


class HealthCheck:
    """Looks at storage and policy."""

    def __init__(self, reads: AuditReads, shelf: PolicyShelf) -> None:
        self._reads = reads
        self._shelf = shelf

    def check(self) -> Health:
        """Return whether storage answers and a bundle is in force."""
        try:
            self._reads.ping()
            active = self._shelf.active()
        except UnavailableError as problem:
            return Health(ready=False, problems=(problem.code,), bundle=None, generation=None)
        problems = () if self._shelf.refused is None else ("policy.unreadable",)
        return Health(ready=True, problems=problems, bundle=active.policies.digest, generation=active.generation)
