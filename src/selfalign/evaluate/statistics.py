"""pass@k, confidence intervals and the paired comparison of two models."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import prod, sqrt
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95
RESAMPLES = 10_000


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of pass@k of one task (Chen et al. 2021, arXiv:2107.03374, equation 1).

    Args:
        samples: number of samples.
        correct: number of correct samples.
        k: number of samples drawn.

    Raises:
        ValueError: k exceeds `samples`, or `correct` is not between 0 and `samples`.
    """
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {correct} correct among {samples} samples is not defined")
    if samples - correct < k:
        return 1.0
    return 1.0 - prod(1.0 - k / i for i in range(samples - correct + 1, samples + 1))


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """Return the mean of pass@k over tasks.

    Args:
        counts: ``(samples, correct)`` of each task.
        k: number of samples drawn.
    """
    return sum(pass_at_k(n, c, k) for n, c in counts) / len(counts)


def interval(counts: Sequence[tuple[int, int]], k: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of pass@k over tasks.

    With one sample per task this is Wilson's score interval (Wilson 1927); with several, the percentile bootstrap
    over tasks (10,000 resamples, fixed seed), because samples of one task are not independent.

    Args:
        counts: ``(samples, correct)`` of each task.
        k: number of samples drawn.
    """
    if all(n == 1 for n, _ in counts):
        return wilson(sum(c for _, c in counts), len(counts))
    values = [pass_at_k(n, c, k) for n, c in counts]
    generator = random.Random(0)
    means = sorted(sum(generator.choices(values, k=len(values))) / len(values) for _ in range(RESAMPLES))
    tail = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return means[tail], means[-tail - 1]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a proportion.

    Args:
        successes: number of successes.
        trials: number of trials, at least 1.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share, scale = successes / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, Any]:
    """Return the exact McNemar test of two models' verdicts on the same tasks (McNemar 1947).

    Args:
        first: whether the first model solved each task.
        second: whether the second model solved each task.

    Returns:
        the number of tasks solved by the first model only, the second only, both and neither; the two-sided p-value.
    """
    from scipy.stats import binomtest

    pairs = list(zip(first, second, strict=True))
    only_first, only_second = pairs.count((True, False)), pairs.count((False, True))
    differing = only_first + only_second
    p_value = binomtest(only_first, differing, 0.5).pvalue if differing else 1.0
    return {
        "only_first": only_first,
        "only_second": only_second,
        "both": pairs.count((True, True)),
        "neither": pairs.count((False, False)),
        "p_value": float(p_value),
    }
