"""Devices with real keys and real evidence, for tests and the demo."""
