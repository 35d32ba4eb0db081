"""SQL of legal disclosures."""
