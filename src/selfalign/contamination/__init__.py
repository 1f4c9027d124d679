"""Overlap of training text with benchmarks, found in one pass over the text whatever the number of patterns."""

from selfalign.contamination.filters import contamination_filter
from selfalign.contamination.index import ContaminationIndex, Match
from selfalign.contamination.sources import benchmarks_named

__all__ = ["ContaminationIndex", "Match", "benchmarks_named", "contamination_filter"]
