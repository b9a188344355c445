"""The only I/O: SQL, Git, key files, clock."""
