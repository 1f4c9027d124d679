"""The figures agree with the packages that made them known."""

from __future__ import annotations

from itertools import combinations

import pytest
from evalplus.eval import estimate_pass_at_k
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from selfalign.evaluate.statistics import interval, mcnemar, mean_pass_at_k, pass_at_k, wilson


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_unbiased_estimator(case):
    samples, correct, k = case
    assert pass_at_k(samples, correct, k) == pytest.approx(estimate_pass_at_k(samples, [correct], k)[0])


def test_pass_at_k_is_the_share_of_draws_that_hold_a_right_sample():
    """By counting every draw of k of up to 8 samples."""
    for samples in range(1, 9):
        for correct in range(samples + 1):
            for k in range(1, samples + 1):
                draws = list(combinations(range(samples), k))
                holding = sum(any(each < correct for each in draw) for draw in draws)
                assert pass_at_k(samples, correct, k) == pytest.approx(holding / len(draws), abs=1e-12)


def test_pass_at_k_is_exact_by_counting():
    # 2 of 4 samples are right: of the 6 pairs, one has none of them.
    assert pass_at_k(4, 2, 2) == pytest.approx(5 / 6)
    assert mean_pass_at_k([(4, 2), (4, 4)], 2) == pytest.approx(11 / 12)
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(3, 1, 4)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (119, 164), (164, 164)])
def test_wilson(successes, trials):
    assert wilson(successes, trials) == pytest.approx(
        proportion_confint(successes, trials, 0.05, method="wilson")
    )


def test_wilson_by_a_published_example():
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_interval_of_several_samples_a_task_is_a_bootstrap_over_tasks():
    counts = [(10, 10)] * 30 + [(10, 0)] * 70
    low, high = interval(counts, 1)
    # Samples of one task are not independent: about as wide as for 100 trials, not for 1000.
    assert (low, high) == pytest.approx(wilson(30, 100), abs=0.02)
    assert interval(counts, 1) == (low, high)


def test_mcnemar():
    first = [True] * 40 + [True] * 3 + [False] * 12 + [False] * 45
    second = [True] * 40 + [False] * 3 + [True] * 12 + [False] * 45
    found = mcnemar(first, second)
    assert (found["both"], found["only_first"], found["only_second"], found["neither"]) == (40, 3, 12, 45)
    assert found["p_value"] == pytest.approx(reference_mcnemar([[40, 3], [12, 45]], exact=True).pvalue)
    # By hand: twice the probability of at most 3 heads in 15 throws.
    assert found["p_value"] == pytest.approx(2 * (1 + 15 + 105 + 455) / 2**15)
    assert mcnemar([True], [True])["p_value"] == 1.0
