"""Policy repository bytes to a compiled Bundle, or every diagnostic at once."""
