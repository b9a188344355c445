"""X.509 and certification authorities over two ports (Signer, Ledger); knows no device policy, no HTTP, no SQL."""
