"""What was decided, when and why, and its proof."""
