"""Overlap of training text with benchmarks, found in one pass over the text whatever the number of patterns."""

from selfalign.contamination.filters import contamination_filter
from selfalign.contamination.index import ContaminationIndex, Match
from selfalign.contamination.sources import Source, find_sources, load_sources

__all__ = [
    "ContaminationIndex",
    "Match",
    "Source",
    "contamination_filter",
    "find_sources",
    "load_sources",
]
