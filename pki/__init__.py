"""X.509 and certificate authorities over two ports; knows no device policy, no HTTP, no SQL."""
