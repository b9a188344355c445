"""Evidence to facts: what can be believed of what a device says (RFC 9334)."""
