"""The audit trail: which event changed what, and why two records are one child."""
