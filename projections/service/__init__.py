"""The directory service: who may ask, what is answered, and the entry in the audit trail before any answer."""
