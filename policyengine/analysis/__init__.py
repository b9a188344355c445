"""What can be said of policies without any device: parts of conditions, mutants, differences between two bundles."""
