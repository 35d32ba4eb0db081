"""The service's SQL: tables of access, functions of the API, and who may do what."""
