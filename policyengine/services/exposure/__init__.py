"""Which devices run a component, and since when."""
