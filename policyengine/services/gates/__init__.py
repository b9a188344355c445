"""Gates: whether a device may pass now, for what, and the proof of it that others can check without us."""
