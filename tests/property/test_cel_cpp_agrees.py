"""The generated engine, cel-cpp and the slow interpreter on the shared workload: one outcome, absences included.

cel-cpp evaluates over dynamic maps: with descriptors, absent fields would read as defaults there.
"""

from __future__ import annotations

import pytest

from benchmarks import workload
from benchmarks.rules import disagreements, engines

RULES = range(100)


@pytest.mark.parametrize("missing", [0.0, 0.03, 0.2])
def test_three_engines_agree_on_the_workload(missing: float) -> None:
    try:
        source = workload.load()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
    offered = engines(source, RULES, missing)
    cpp = offered["cel-cpp"]()
    assert disagreements(offered["generated"](), cpp) == 0
    assert disagreements(offered["interpreter"](), cpp) == 0
