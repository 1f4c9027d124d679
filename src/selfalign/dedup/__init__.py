"""Near-duplicates among texts, for every stage that has texts."""

from selfalign.dedup.minhash import NearDuplicates, near_duplicates

__all__ = ["NearDuplicates", "near_duplicates"]
