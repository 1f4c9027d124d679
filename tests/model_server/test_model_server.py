"""The test server: the same answers every time, the faults it is told, the time it is told."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.model_server import canned
from tests.model_server.faults import KINDS, Faults
from tests.model_server.pace import Lengths


def test_canned_answers_depend_on_prompt_seed_and_sample_only():
    prompt = "## Example 2\n### Instruction\nWrite something.\n\n### Response"
    answers = {(seed, i): canned.complete(prompt, seed, i) for seed in range(6) for i in range(6)}
    assert len(set(answers.values())) > 1
    assert all(canned.complete(prompt, seed, i) == text for (seed, i), text in answers.items())


def test_most_canned_responses_pass_their_own_tests():
    passed = 0
    for seed in range(100):
        instruction = canned.complete("### Property\n\n### Instruction", seed, 0)
        response = canned.complete(f"### Instruction\n{instruction}\n### Response", seed, 0)
        code = "\n".join(part.removeprefix("python\n") for part in response.split("```")[1::2])
        try:
            exec(code, {})
            passed += 1
        except AssertionError:
            pass
    assert 75 <= passed < 100


def test_faults_come_at_their_rates_and_differ_from_try_to_try():
    faults = Faults(dict.fromkeys(KINDS, 0.1))
    chosen = Counter(faults.choose(b"%d" % (i % 500)) for i in range(7000))
    assert set(chosen) == {*KINDS, None}
    for kind in KINDS:
        assert 0.08 < chosen[kind] / 7000 < 0.12


def test_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="unknown fault fire"):
        Faults({"fire": 0.1})


def test_lengths_have_the_median_and_a_long_tail():
    lengths = Lengths(400, 0.8, 1536)
    drawn = sorted(lengths.draw(b"%d" % i, 0) for i in range(4000))
    assert 370 < drawn[2000] < 430
    assert drawn[-1] == 1536
    assert drawn[3600] > 2.2 * drawn[2000]
