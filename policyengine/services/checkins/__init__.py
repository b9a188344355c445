"""Check-ins: evidence appraised, facts gathered, a decision made and its reply."""
