"""No text, however hostile, does anything to the front end but draw problems."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from policyengine.language.cel.environment import ConditionError, Environment, PlainEnvironment
from policyengine.model.schema import CORE_SCHEMA
from policyengine.model.types import DYN, INT

ENVIRONMENT = Environment.for_facts(CORE_SCHEMA, {"p": INT}).with_let("l", "boot.svn")
PLAIN = PlainEnvironment(variables={"x": DYN})

_FRAGMENTS = """
    boot . svn ( ) [ ] { } , : ? && || ! - + == <= in true null 1 2u 1.5 "a" 'b' b"c" r'd' \"\"\" ''' ` \\ \\q // \n
    let . let.l params.p now software all exists map x s version atLeast .? [? has cel.bind é 😀 l_t @result
    google.protobuf.Timestamp matches duration optional.of 0x 9223372036854775808 $ # * / %
"""
FRAGMENTS = st.sampled_from(["\n", "\r", "\0", *_FRAGMENTS.split()])
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(FRAGMENTS, max_size=25).map("".join),
    st.lists(FRAGMENTS, max_size=25).map(" ".join),
    st.tuples(FRAGMENTS, st.integers(1, 6000)).map(lambda pair: (pair[0] * pair[1])[:16_384]),
)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_compiles_or_has_problems_inside_it(text: str) -> None:
    try:
        ENVIRONMENT.condition(text)
    except ConditionError as error:
        assert error.problems
        for problem in error.problems:
            assert 0 <= problem.offset <= len(text)
            assert problem.offset + problem.length <= len(text)
            assert len(problem.message) < 600


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_any_unchecked_text_parses_or_has_problems(text: str) -> None:
    try:
        PLAIN.parse(text)
    except ConditionError as error:
        assert error.problems
