"""The fault harness: real processes, a real and durable PostgreSQL, the sandbox's ledger as the only judge of what was sent.

`python -m tests.faults` (`make faults`). It lies beside the tests and is none: what pytest collects of it is a short draw.
"""
