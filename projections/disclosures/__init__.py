"""Disclosure to others under the law: one named child, one gateway, one authoriser, once."""
