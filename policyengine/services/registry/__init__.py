"""The registered devices: imported, moved, replaced, retired."""
