"""Explanations for people: why records are one child, now and then, and what would have to be otherwise."""
