"""The sweep: devices that say nothing are decided again when their decision has ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from policyengine.services.appraisal import phase_after
from policyengine.services.changes import SALT_SIZE, Act, RecordDecision
from policyengine.services.errors import ConflictError
from policyengine.services.gathering import Context, gather_again
from policyengine.services.issuing import status_after
from policyengine.services.judging import Memory, Standing, has_changed, judge, record_of, standing_of, state_after
from policyengine.services.policies import ActivePolicies, PolicyShelf
from policyengine.services.ports import CheckInReads, Clock, Entropy, Writer
from policyengine.services.records import DeviceState, DeviceView


class Redecider:
    """Decides a device again from what it said last and what is known now; the same pure call as a check-in's."""

    def __init__(
        self, reads: CheckInReads, entropy: Entropy, shelf: PolicyShelf, memory: Memory, ca_facts: Mapping[str, object]
    ) -> None:
        self._reads = reads
        self._entropy = entropy
        self._shelf = shelf
        self._memory = memory
        self._ca_facts = ca_facts

    def again(self, view: DeviceView, state: DeviceState, *, now: datetime) -> RecordDecision:
        """Return the change that records the new decision on a device whose time has come."""
        return self._change(view, state, standing_of(state), now=now, act=None)

    def under(self, view: DeviceView, state: DeviceState, standing: Standing, act: Act) -> RecordDecision:
        """Return the change that records a person's act together with the decision it leads to."""
        return self._change(view, state, standing, now=act.at, act=act)

    def _change(
        self, view: DeviceView, state: DeviceState, standing: Standing, *, now: datetime, act: Act | None
    ) -> RecordDecision:
        active = self._shelf.active(at_least=state.generation)
        policies = active.policies
        last = self._memory.facts(state.facts_shared, state.facts_own, policies=self._shelf.by_digest(state.bundle))
        facts = gather_again(last, self._context(view, state, active, now))
        judged = judge(policies, facts, prior=self._memory.prior(state.prior), now=now, phase=phase_after(state))
        after = state_after(judged, standing, generation=active.generation)
        changed = has_changed(judged, state, tier=after.tier)
        return RecordDecision(
            state=after,
            expected_version=state.version,
            spends_nonce=False,
            decision=record_of(judged, device_id=state.device_id) if changed else None,
            verdicts=None if state.verdicts == judged.verdicts_digest else judged.verdicts(),
            documents=judged.documents,
            salt=self._entropy.draw(SALT_SIZE),
            status=status_after(view, policies.profiles.get(view.device.model), after.tier, now=now),
            act=act,
        )

    def _context(self, view: DeviceView, state: DeviceState, active: ActivePolicies, now: datetime) -> Context:
        return Context(
            view=view,
            identity_kind=state.identity_kind,
            key_reuse=view.key_reuse,
            last_seen=state.last_seen,
            bundle=active.policies.bundle,
            ca=self._ca_facts,
            now=now,
        )


class Sweep:
    """Re-decides with the last facts what time alone, or a peer with the same key, has overtaken."""

    def __init__(self, reads: CheckInReads, writer: Writer, clock: Clock, redecider: Redecider) -> None:
        self._reads = reads
        self._writer = writer
        self._clock = clock
        self._redecider = redecider

    def run(self, *, limit: int = 256) -> int:
        """Return how many devices were decided again, at most `limit`; call until 0.

        A device that changed meanwhile is left to whoever changed it. Raises UnavailableError.
        """
        now = self._clock.now()
        views = [self._reads.view(device_id) for device_id in self._reads.expired(now, limit)]
        changes = [
            self._redecider.again(view, view.state, now=now)
            for view in views
            if view is not None and view.state is not None
        ]
        failures = [failure for failure in self._writer.apply_all(changes) if failure is not None]
        for failure in failures:
            if not isinstance(failure, ConflictError):
                raise failure
        return len(changes) - len(failures)
