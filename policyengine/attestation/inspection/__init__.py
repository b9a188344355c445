"""What a file of evidence says, part by part with its clause, for people; nothing here is verified."""
