"""A Cloud API on localhost: Meta's wire outside, the simulated world inside, and a ledger of everything it accepted."""
