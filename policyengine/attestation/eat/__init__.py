"""Entity Attestation Tokens."""
