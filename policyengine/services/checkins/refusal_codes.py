"""What a refused device is told beside the checks of its evidence: every code of a check-in, for who looks it up."""

from __future__ import annotations

from collections.abc import Mapping

PAGE = "docs/device.md#what-a-refusal-names"

MEANINGS: Mapping[str, str] = {
    "binding.ak-evidence": "an attestation key of a TPM vouches by quotes alone, and this is another format",
    "binding.ak-unproven": "the key that signed the quote is not known to be in a TPM",
    "binding.csr-key": "the evidence does not vouch for the key in the certificate request",
    "binding.evidence-key": "another key signed the evidence than the one that proved the identity",
    "binding.iak-device": "the certificate of the AK that signed the quote is for another device",
    "csr.ca": "the certificate request asks for CA:TRUE, which no device gets",
    "csr.challenge": "the evidence in the certificate request comes without the challenge of ours that it answers",
    "csr.names": "the certificate request asks for alternative names that are not this device's",
    "device.exists": "nobody announced the device, and its id would be another's but for upper and lower case",
    "device.retired": "a person took the device out of service",
    "endorsement.class": "the device is of another implementation than the CoRIM that vouches for its key says",
    "endorsement.expired": "the CoRIM that vouches for the device's key has ended",
    "endorsement.key": "the evidence is not signed by a key that the vendor vouches for as this device's",
    "endorsement.key-shared": "the key is listed for two devices and proves neither",
    "endorsement.withdrawn": "the key that the vendor vouched for is withdrawn",
    "enrolment.pending": "the device waits for a person to admit it",
    "enrolment.token": "the one-time token is unknown, used up, expired, or for another device or key",
    "evidence.refused": "a check of the evidence failed; `failed` names every one that did",
    "gateway.keyed": "the device has a key and speaks for itself: its gateway brings its evidence, not a report of it",
    "gateway.nonce": "what a gateway brings answers a nonce that was asked for with the device's `device_id`",
    "identity.conflict": "another key holds this device's id or serial",
    "identity.keyless": "the device has no key, and what is known of it is what its gateways report",
    "identity.not-entitled": "the CA or CoRIM that vouches for the device is not for its model or serial number",
    "identity.purpose": "the certificate shown as an IDevID is for an attestation key (tcg-kp-AIKCertificate)",
    "identity.serial": "the IDevID or IAK certificate does not carry exactly one serial number",
    "identity.unannounced": "the device is genuine and its vendor entitled, but nobody announced it",
    "identity.unknown-device": "no device has this id, or none for which this gateway may speak",
    "identity.unproven": "nothing proves an identity: no IDevID, TPM, DICE chain, key in a CoRIM or one-time token",
    "nonce.expired": "the nonce is older than its lifetime: ask for another",
    "nonce.foreign": "the nonce was not issued here, or for another device",
    "nonce.future": "the nonce is from the future: the server's clock went back",
    "nonce.malformed": "the nonce does not have the size of one of ours",
    "nonce.spent": "the nonce, or a newer one of this device, was used already: a replay, or a lost answer",
    "registry.ambiguous": "the registry has this serial number more than once",
    "registry.conflict": "the registry holds this id or serial for another device",
    "report.future": "the report is of a time that has not come: the gateway's clock is ahead",
    "report.groups": "the report says what no gateway may say of a device",
    "report.superseded": "a later report of this device came before this one",
    "tpm.activation": "the secret is not that of a credential for this nonce, this EK and this AK",
}
