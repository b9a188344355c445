"""Whether the service can do its work."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.model.ids import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`ready` is what a load balancer asks; `problems` says why not, as stable codes."""

    ready: bool
    problems: tuple[str, ...]
    bundle: Digest | None
    generation: int | None


class HealthCheck:
    """Looks at storage and policy."""

    def check(self) -> Health:
        """Return whether storage answers and a bundle is in force."""
        raise NotImplementedError
