"""The one seed of every random test: fixed, so that a run says something about the change and not about the day.

`POLICYENGINE_SEED=N` draws from another seed, `POLICYENGINE_SEED=random` from a new one each time (`make explore`).
"""

from __future__ import annotations

import os
from random import SystemRandom

FIXED = 20_261_128


def seed() -> int:
    """Return the seed of this run."""
    wanted = os.environ.get("POLICYENGINE_SEED", str(FIXED))
    return SystemRandom().randrange(2**32) if wanted == "random" else int(wanted)


def is_fixed() -> bool:
    """Return whether this run repeats the one before."""
    return "POLICYENGINE_SEED" not in os.environ
