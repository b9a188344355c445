"""Security policy-as-code for IoT fleets."""
