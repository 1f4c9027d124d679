"""Benchmarks as versioned data: their tasks, sources, prompts and scoring methods."""

from selfalign.benchmarks.definition import Definition, available, definition_sha256, load_definition
from selfalign.benchmarks.load import Benchmark, data_files, load_benchmark
from selfalign.benchmarks.records import Task

__all__ = [
    "Benchmark",
    "Definition",
    "Task",
    "available",
    "data_files",
    "definition_sha256",
    "load_benchmark",
    "load_definition",
]
