"""TPM 2.0 evidence."""
