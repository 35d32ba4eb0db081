"""The audit trail of access: who looked, when and why, as a Merkle log that an outsider can verify.

`log` appends; `sequencer` numbers, seals and signs; `witness` is the second key; `relay` publishes; `reports` and
`fhir` are what people read; `misuse` looks at how accounts are used.
"""
