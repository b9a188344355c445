"""Evidence exports: what was true in a period, in one file that anyone verifies without us."""
