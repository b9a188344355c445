"""What facts that many devices share have answered before, by everything that such an answer depends on.

A block whose conditions read only facts of the shared part (facts_parts.py), and no time, answers alike wherever that
part is the same and the same provenance counts. Its name is a digest, so that this is the answer it would give again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from policyengine.decision.facts_parts import is_shared
from policyengine.decision.generated import Answer
from policyengine.model.expression import Node, Now, walk

MAX_ANSWERED = 2048  # kinds and states of devices kept with a bundle; the devices of one release have a few among them

Answers = tuple[Answer, ...]


class Memory:
    """The answers of one bundle's common blocks on what they were asked of before."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[Hashable, Answers] = {}

    def of(self, asked: Hashable, answer: Callable[[], Answers]) -> Answers:
        """Return what was answered when the same was `asked` before, or what `answer` says now."""
        known = self._known.get(asked)
        if known is None:
            if len(self._known) >= MAX_ANSWERED:
                self._known.clear()
            known = self._known[asked] = answer()
        return known


def is_timeless(conditions: list[Node]) -> bool:
    """Return whether none of `conditions` reads the time of the decision."""
    return not any(isinstance(node, Now) for condition in conditions for node in walk(condition))


def is_common(paths: tuple[str, ...]) -> bool:
    """Return whether all facts at `paths` are of the part that devices share."""
    return all(map(is_shared, paths))
