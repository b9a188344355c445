"""Random defects in chains: what we accept, `openssl verify -x509_strict` accepts too, or a reason is written down."""

from __future__ import annotations

import os
import shutil
from random import Random

import pytest

from tests.property.path_mutations import STATISTICS, WRITTEN_REASONS, only_ours
from tests.support.seed import seed

CHAINS = int(os.environ.get("POLICYENGINE_CHAINS", "2000"))  # 100000 take a quarter of an hour
SEED = seed()


def test_openssl_refuses_no_mutated_chain_that_we_accept_without_a_written_reason() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    unexplained = [
        (sorted(errors), one.labels)
        for one, errors in only_ours(CHAINS, Random(SEED))
        if not errors or errors - set(WRITTEN_REASONS)
    ]
    assert unexplained == [], f"seed {SEED}"
    # the comparison says something only if both accept many chains and refuse many
    assert CHAINS // 10 < STATISTICS["accepted by us"] < STATISTICS["chains"] * 9 // 10
    assert CHAINS // 10 < STATISTICS["accepted by openssl"] < STATISTICS["chains"] * 9 // 10
