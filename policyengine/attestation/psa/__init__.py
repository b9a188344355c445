"""PSA attestation tokens."""
