"""SQL of the rights of a desk's login."""
