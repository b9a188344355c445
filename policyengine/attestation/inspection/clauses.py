"""The vocabularies of the formats: by which clause each of their parts is there, and what numbered parts are called.

Where a check has a clause, that clause is taken from the check. A new format adds one row to `VOCABULARIES`.
"""

from __future__ import annotations

from collections.abc import Mapping

from policyengine.attestation import pop
from policyengine.attestation.cca import appraisal as cca
from policyengine.attestation.cca import claims as cca_claims
from policyengine.attestation.dice import rules as dice_rules
from policyengine.attestation.eat import claims as eat_claims
from policyengine.attestation.eat import result_claims
from policyengine.attestation.eat.bundle import DETACHED
from policyengine.attestation.eat.submods import SUBMODS
from policyengine.attestation.inspection.parts import Vocabulary
from policyengine.attestation.psa import claims as psa_claims

_TPM = "TPM 2.0 Part 2 section"
_CERTIFICATE = "RFC 5280 section"
_FIRMWARE = "TCG PC Client Platform Firmware Profile section"

# What a CWT says whatever format it is of; a JWT has the same names but for `jti`.
_REGISTERED: dict[str, str] = {
    name: f"RFC 8392 section 3.1.{number}"
    for number, name in enumerate(("iss", "sub", "aud", "exp", "nbf", "iat", "cti"), start=1)
} | {"jti": "RFC 7519 section 4.1.7"}

PSA = Vocabulary(
    general="RFC 9783 section 4",
    clauses={
        "profile": psa_claims.PROFILE_IS_KNOWN.clause,
        "nonce": psa_claims.NONCE_IS_OURS.clause,
        "client_id": psa_claims.CLIENT.clause,
        "instance_id": psa_claims.INSTANCE.clause,
        "implementation_id": psa_claims.IMPLEMENTATION.clause,
        "cert_ref": psa_claims.CERTIFICATION.clause,
        "lifecycle": psa_claims.STATE.clause,
        "lifecycle_state": psa_claims.STATE.clause,
        "boot_seed": psa_claims.SEED.clause,
        "software": psa_claims.COMPONENTS.clause,
        "vsi": psa_claims.INDICATOR.clause,
    },
)
_COORDINATES = ("latitude", "longitude", "altitude", "accuracy", "altitude-accuracy", "heading", "speed")
EAT = Vocabulary(
    general="RFC 9711 section 4",
    clauses=_REGISTERED
    | {eat_claims.NAMES[key]: requirement.clause for key, (requirement, _) in eat_claims.OPTIONAL.items()}
    | {
        "eat_nonce": eat_claims.NONCE_IS_OURS.clause,
        "eat_profile": "RFC 9711 section 4.3.2",
        "submods": SUBMODS.clause,
        "detached": DETACHED.clause,
    },
    names={
        "": eat_claims.NAMES,
        "location": dict(enumerate((*_COORDINATES, "timestamp", "age"), start=1)),
    },
)
EAR = Vocabulary(
    general=f"{result_claims.DRAFT} section 3",
    clauses=_REGISTERED
    | {
        "iat": result_claims.ISSUED.clause,
        "exp": result_claims.EXPIRY.clause,
        "nbf": result_claims.BEGINNING.clause,
        "eat_nonce": result_claims.NONCE.clause,
        "eat_profile": result_claims.PROFILE.clause,
        "ear_verifier_id": result_claims.VERIFIER.clause,
        "submods": result_claims.SUBMODS.clause,
        "ear_status": result_claims.STATUS.clause,
        "ear_trustworthiness_vector": result_claims.TRUST.clause,
        "ear_appraisal_policy_ids": result_claims.POLICIES.clause,
    },
)
CCA = Vocabulary(
    general=f"{cca_claims.DRAFT} section 4",
    clauses={
        "platform.challenge": cca.BINDING.clause,
        "platform.profile": cca_claims.PLATFORM_IS_KNOWN.clause,
        "implementation_id": cca_claims.IMPLEMENTATION.clause,
        "instance_id": cca_claims.INSTANCE.clause,
        "config": cca_claims.CONFIGURATION.clause,
        "lifecycle": cca_claims.STATE.clause,
        "software": cca_claims.COMPONENTS.clause,
        "verification_service": cca_claims.INDICATOR.clause,
        "platform.hash_algorithm": cca_claims.PLATFORM_HASH.clause,
        "realm.challenge": cca_claims.CHALLENGE_IS_OURS.clause,
        "realm.profile": cca_claims.REALM_IS_KNOWN.clause,
        "personalization": cca_claims.PERSONAL.clause,
        "initial_measurement": cca_claims.INITIAL.clause,
        "extensible_measurements": cca_claims.EXTENSIBLE_ONES.clause,
        "realm.hash_algorithm": cca_claims.REALM_HASH.clause,
        "public_key": cca.REALM_KEY.clause,
        "public_key_hash_algorithm": cca.BINDING.clause,
        "memory_encryption": cca_claims.MEC.clause,
    },
    names={
        "platform": {
            cca_claims.CHALLENGE: "challenge",
            cca_claims.PROFILE: "profile",
            psa_claims.INSTANCE_ID: "instance_id",
            psa_claims.LIFECYCLE: "lifecycle",
            psa_claims.IMPLEMENTATION_ID: "implementation_id",
            psa_claims.SOFTWARE: "software",
            psa_claims.VSI: "verification_service",
            cca_claims.CONFIG: "config",
            cca_claims.HASH_ALGORITHM: "hash_algorithm",
        },
        "software": {
            psa_claims.TYPE: "type",
            psa_claims.VALUE: "measurement",
            psa_claims.VERSION: "version",
            psa_claims.SIGNER: "signer_id",
            psa_claims.DESCRIPTION: "hash_algorithm",
        },
        "realm": {
            cca_claims.CHALLENGE: "challenge",
            cca_claims.PROFILE: "profile",
            cca_claims.PERSONALIZATION: "personalization",
            cca_claims.REALM_HASH_ALGORITHM: "hash_algorithm",
            cca_claims.REALM_KEY: "public_key",
            cca_claims.INITIAL_MEASUREMENT: "initial_measurement",
            cca_claims.EXTENSIBLE_MEASUREMENTS: "extensible_measurements",
            cca_claims.REALM_KEY_HASH: "public_key_hash_algorithm",
            cca_claims.MEC_POLICY: "memory_encryption",
        },
    },
)
DICE = Vocabulary(
    general=dice_rules.MEASURED.clause,
    clauses={
        "challenge": dice_rules.NONCE.clause,
        "subjects": f"{_CERTIFICATE} 4.1.2.6",
        "device": dice_rules.DEVICE_ID.clause,
        "fwid_sha256": dice_rules.DEVICE_ID.clause,
    },
)
POP = Vocabulary(general=f"{_CERTIFICATE} 4.1.2.6", clauses={"challenge": pop.NONCE.clause})
ATTEST = Vocabulary(
    general=f"{_TPM} 10.12.12",
    clauses={
        "magic": f"{_TPM} 6.2",
        "type": f"{_TPM} 6.9",
        "clock": f"{_TPM} 10.11.1",
        "reset": f"{_TPM} 10.11.1",
        "restart": f"{_TPM} 10.11.1",
        "safe": f"{_TPM} 10.11.1",
        "sel": f"{_TPM} 10.9.7",
        "digest": f"{_TPM} 10.12.4",
        "name": f"{_TPM} 10.12.3",
        "pcr_values": "TPM 2.0 Part 3 section 18.4",
        "ak_name": "TPM 2.0 Part 1 section 16",
        "eventlog": f"{_FIRMWARE} 10.2",
        "certified": f"{_TPM} 10.12.12",
    },
)
PUBLIC = Vocabulary(
    general=f"{_TPM} 12.2.4",
    clauses={
        "name": "TPM 2.0 Part 1 section 16",
        "thumbprint": f"{_CERTIFICATE} 4.1.2.7",
        "attributes": f"{_TPM} 8.3",
    },
)
TPM_SIGNATURE = Vocabulary(general=f"{_TPM} 11.3.4", clauses={})
EVENT_LOG = Vocabulary(general=f"{_FIRMWARE} 10.2", clauses={"startup_locality": f"{_FIRMWARE} 10.4.5.3"})
CERTIFICATE = Vocabulary(
    general=f"{_CERTIFICATE} 4.1",
    clauses={
        "subject": f"{_CERTIFICATE} 4.1.2.6",
        "issuer": f"{_CERTIFICATE} 4.1.2.4",
        "serial": f"{_CERTIFICATE} 4.1.2.2",
        "not_before": f"{_CERTIFICATE} 4.1.2.5",
        "not_after": f"{_CERTIFICATE} 4.1.2.5",
        "key_type": f"{_CERTIFICATE} 4.1.2.7",
        "key_bits": f"{_CERTIFICATE} 4.1.2.7",
        "key_thumbprint": f"{_CERTIFICATE} 4.1.2.7",
        "signature_algorithm": f"{_CERTIFICATE} 4.1.1.2",
        "san": f"{_CERTIFICATE} 4.2.1.6",
    },
)
WRAPPER = Vocabulary(
    general="RFC 9999 section 3.3",
    clauses={"type": "RFC 9999 section 3.1", "indicator": "RFC 9999 section 3.1", "bytes": "RFC 9999 section 3.1"},
)
# A format of another package states no clauses; what a verifier appraises at all is named here.
ANOTHER = Vocabulary(general="RFC 9334 section 8", clauses={})

# By the first part of a format's check ids.
VOCABULARIES: Mapping[str, Vocabulary] = {
    "cca": CCA,
    "dice": DICE,
    "ear": EAR,
    "eat": EAT,
    "pop": POP,
    "psa": PSA,
    "tpm": ATTEST,
}
