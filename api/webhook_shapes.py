"""The public shapes of webhooks: how far each is, and what it was not told."""

from __future__ import annotations

from api.shapes import Moment, Shape


class WebhookOut(Shape):
    """How far a webhook is. `next` is the next leaf of the log to tell of, `behind` how many leaves there are since."""

    name: str
    next: int | None
    behind: int
    attempts: int
    error: str | None
    next_attempt_at: Moment | None
    dead_letters: int


class DeadLetterOut(Shape):
    """An event that a receiver refused, or did not take for a day; `asked`: it is to be sent again."""

    index: int
    type: str
    device_id: str | None
    attempts: int
    error: str | None
    given_up_at: Moment | None
    asked: bool
