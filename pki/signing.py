"""What every holder of an issuing key keeps to: the signer is the issuer's own, and no signature leaves unverified."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature

from pki.errors import IssuanceError
from pki.keys import spki_of, thumbprint
from pki.ports import Signer
from pki.signatures import SignatureRefusedError, check_signature
from pki.tbs import Issuer


def demand_signer_of(issuer: Issuer, signer: Signer) -> None:
    """Return if the signer's key is the one in the issuer's certificate; raises IssuanceError `issue.signer`."""
    if thumbprint(spki_of(signer.public_key)) != issuer.thumbprint or signer.algorithm is not issuer.algorithm:
        raise IssuanceError("the signer's key is not the one in the issuer's certificate", code="issue.signer")


def verified_signature(signer: Signer, data: bytes) -> bytes:
    """Return the signer's signature over `data`, which verifies; raises IssuanceError `issue.signature`.

    An HSM that errs once must not put a broken certificate into a device, nor leak its key by the fault.
    """
    signature = signer.sign(data)
    try:
        check_signature(signer.public_key, oid=signer.algorithm.oid, signature=signature, data=data)
    except (InvalidSignature, SignatureRefusedError) as cause:
        raise IssuanceError("the signer returned a signature that does not verify", code="issue.signature") from cause
    return signature
