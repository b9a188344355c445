"""What suppliers and feeds say of the releases that devices run: filed once, read by every decision."""
