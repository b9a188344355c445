"""Gateways that bring what devices say, and that report of devices which cannot say anything."""
