"""Test vectors of an index, judged."""
