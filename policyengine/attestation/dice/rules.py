"""What DICE evidence must satisfy: one requirement, one clause (TCG DICE Attestation Architecture v1.1, RFC 5280)."""

from __future__ import annotations

from policyengine.attestation.challenge import MIN_NONCE_BYTES
from policyengine.attestation.checks import Requirement

POSSESSION = Requirement(
    id="dice.possession", clause="RFC 9334 section 10.2", expected="a signature by the key of the last layer"
)
NONCE = Requirement(
    id="dice.nonce", clause="RFC 9334 section 10.2", expected=f"the challenge, at least {MIN_NONCE_BYTES} bytes"
)
CHAIN = Requirement(
    id="dice.chain",
    clause="RFC 5280 section 6.1",
    expected="certificates of all layers, leaf first, each named by the next, up to something trusted",
)
SIGNATURES = Requirement(
    id="dice.signature",
    clause="RFC 5280 section 6.1.3 (a)(1)",
    expected="each certificate signed by the key of the next",
)
VALIDITY = Requirement(
    id="dice.validity", clause="RFC 5280 section 6.1.3 (a)(2)", expected="every certificate valid now"
)
BASIC_CONSTRAINTS = Requirement(
    id="dice.basic-constraints", clause="RFC 5280 section 6.1.4 (k)", expected="the CA flag on every issuer"
)
PATH_LENGTH = Requirement(
    id="dice.path-length",
    clause="RFC 5280 section 6.1.4 (l)",
    expected="no more CAs below one than its path length allows",
)
KEY_USAGE = Requirement(
    id="dice.key-usage",
    clause="RFC 5280 section 6.1.4 (n)",
    expected="keyCertSign on every issuer, digitalSignature on the leaf, where key usage is stated",
)
CRITICAL = Requirement(
    id="dice.critical", clause="RFC 5280 section 4.2", expected="no critical extension that is not processed"
)
KEY_IDENTIFIERS = Requirement(
    id="dice.key-identifiers", clause="RFC 5280 section 4.2.1.1", expected="key identifiers that name the issuer's key"
)
DEVICE_ID = Requirement(
    id="dice.device-id", clause="RIoT CompositeDeviceID", expected="the key that issued the certificate"
)
MEASURED = Requirement(
    id="dice.measured",
    clause="TCG DICE Attestation Architecture section 6.1",
    expected="at least one layer whose firmware is measured",
)
