"""The configured benchmarks, and their data."""

from __future__ import annotations

from pathlib import Path

from selfalign.benchmarks import Benchmark, load_benchmark
from selfalign.core.config import Config
from selfalign.core.config.evaluation import BenchmarkChoice
from selfalign.core.errors import ConfigError


def find_choice(config: Config, key: str) -> BenchmarkChoice:
    """Return the configured benchmark whose name in paths is `key`.

    Raises:
        ConfigError: there is none.
    """
    for choice in config.evaluation.benchmarks:
        if choice.key == key:
            return choice
    raise ConfigError(f"configuration: no benchmark '{key}' in 'evaluation.benchmarks'")


def open_benchmark(config: Config, choice: BenchmarkChoice, data: str | Path | None = None) -> Benchmark:
    """Load a configured benchmark; `data` is where its download lies, if it was downloaded."""
    local = choice.data.format(shared=config.paths.shared) if choice.data else data
    window = (choice.window[0], choice.window[1]) if choice.window else None
    return load_benchmark(choice.name, choice.version, local, window=window)
