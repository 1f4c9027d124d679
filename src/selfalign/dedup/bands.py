"""How a MinHash signature is cut into bands; a pair of similarity t matches in one with 1 - (1 - t^r)^b.

b bands of r rows each: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

# Least chance that a pair just at the threshold becomes a candidate; pairs above it fare better.
RECALL_AT_THRESHOLD = 0.97


def count_bands(threshold: float, num_perm: int) -> int:
    """Return the fewest bands that divide the signature and find a pair at `threshold`, to be checked after."""
    for rows in range(num_perm, 0, -1):
        bands, rest = divmod(num_perm, rows)
        if not rest and 1 - (1 - threshold**rows) ** bands >= RECALL_AT_THRESHOLD:
            return bands
    return num_perm
