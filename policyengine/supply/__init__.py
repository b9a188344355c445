"""What suppliers and feeds say of software: SBOMs, VEX statements, feeds of vulnerabilities. Bytes in, values out."""
