"""The approvals service: what lets something leave the directory, by people who have just logged in."""
