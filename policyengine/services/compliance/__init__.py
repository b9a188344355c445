"""How the fleet stands against the controls of compliance frameworks, now, then, and over a period."""
