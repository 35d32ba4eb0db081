"""SQL of the approvals service."""
