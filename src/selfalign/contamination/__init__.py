"""Benchmark contamination: overlap of training text with the prompts, solutions and tests of benchmarks."""

from selfalign.contamination.index import ContaminationIndex, Match, contamination_filter
from selfalign.contamination.sources import Source, find_sources, load_sources

__all__ = [
    "ContaminationIndex",
    "Match",
    "Source",
    "contamination_filter",
    "find_sources",
    "load_sources",
]
