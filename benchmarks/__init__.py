"""Performance as ratios: our parts against a floor that does the same without them, in the same run on the same machine.

`python -m benchmarks` (or `make bench`). Nothing here is part of the product; docs/performance.md says what was measured and learnt.
"""
