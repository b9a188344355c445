from policyengine.errors import PolicyEngineError


def test_an_error_carries_its_code_and_its_fields() -> None:
    error = PolicyEngineError("cannot read `x`", path="x")
    assert (error.code, error.message, error.fields) == ("fault.internal", "cannot read `x`", {"path": "x"})
