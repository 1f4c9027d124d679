"""Rounds: configuration, stop rules, and the table of rounds."""

from __future__ import annotations

from itertools import pairwise

import pytest

from selfalign.core.config import Config, load_config
from selfalign.core.config.curation import SelfTestsConfig
from selfalign.core.config.rounds import MAX_ROUNDS, LaterRound, NextRoundConfig, round_number, seed_of_round
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_json, write_json, write_jsonl
from selfalign.evaluate.rounds import measure_diversity, reasons_to_stop, write_result, write_table
from selfalign.report.score_tables import round_rows

OWN = ("own", "self_tests")
TEXTS = [
    "Write a function `add(a, b)` that returns the sum of two given numbers.",
    "Write a function `longest(words)` that finds the longest word in a list.",
    "Define `is_even(n)`, which tells whether a whole number is divisible by two.",
    "Implement `reverse(text)` so that it gives the characters from last to first.",
]


def scored(directory, passed, data="one"):
    verdicts = [
        {"task_id": f"t{n}", "sample": 0, "base": {"status": "pass" if each else "fail"}}
        for n, each in enumerate(passed)
    ]
    write_jsonl(directory / "verdicts.jsonl", verdicts)
    metrics = {"pass@1": {"value": sum(passed) / len(passed), "interval": [0, 1], "correct": sum(passed)}}
    content = {"title": "Self-tests", "n": len(passed), "dataset": {"sha256": data}, "metrics": metrics}
    write_json(directory / "score.json", content)
    return directory


def instructions(path, texts):
    write_jsonl(path, [{"instruction": text} for text in texts])
    return path


@pytest.fixture
def result(tmp_path):
    """Write and read the result of round 2, whose model solves all of ten tasks; the one before solves two."""
    base = scored(tmp_path / "base", [True] * 5 + [False] * 5)
    before = scored(tmp_path / "1", [True] * 2 + [False] * 8)
    now = scored(tmp_path / "2", [True] * 10)
    write_jsonl(tmp_path / "train.jsonl", [{}] * 7)
    earlier = instructions(tmp_path / "before.jsonl", TEXTS)

    def write(texts=TEXTS, *, number=2, **settings):
        given = {"before": {OWN: before}, "instructions_before": [earlier]}
        if number == 1:
            given = {"before": None, "instructions_before": []}
        write_result(
            number,
            {OWN: now},
            tmp_path / "result.json",
            base={OWN: base},
            instructions=[instructions(tmp_path / "now.jsonl", texts)],
            dataset=tmp_path / "train.jsonl",
            settings=NextRoundConfig(**settings),
            similarity=SelfTestsConfig(),
            **given,
        )
        return read_json(tmp_path / "result.json")

    return write


def test_a_gain_over_the_round_before_is_followed_by_another_round(result):
    found = result()
    assert (found["round"], found["rows"], found["next"], found["reasons"]) == (2, 7, True, [])
    assert [each["first"] for each in found["comparisons"]] == ["round 1", "base"]
    test = found["comparisons"][0]["mcnemar"]
    assert (test["only_first"], test["only_second"], test["both"]) == (0, 8, 2)
    assert test["p_value"] == pytest.approx(2 / 2**8)
    assert found["diversity"] == {"instructions": 4, "distinct": 4, "share": 1.0, "relative": 1.0}


def test_the_first_round_is_compared_with_the_base_model(result):
    found = result(number=1)
    assert [each["first"] for each in found["comparisons"]] == ["base"]
    assert found["comparisons"][0]["mcnemar"]["only_second"] == 5
    assert found["diversity"]["relative"] is None
    # p = 2 / 2**5 = 0.0625
    assert not found["next"]
    assert found["reasons"] == [
        "no gain on self_tests over base: +50.0 points, p = 0.062 (next_round.max_p_value 0.05)"
    ]
    assert result(number=1, max_p_value=0.07)["next"]
    assert result(number=1, max_p_value=None)["next"]


def test_a_smaller_share_of_distinct_instructions_ends_the_rounds(result):
    repeated = [TEXTS[0], TEXTS[0].upper(), TEXTS[0] + "  ", TEXTS[1]]
    found = result(repeated)
    assert found["diversity"] == {"instructions": 4, "distinct": 2, "share": 0.5, "relative": 0.5}
    assert found["reasons"] == [
        "the share of distinct instructions fell to 0.50 of that of the round before (next_round.min_diversity 0.8)"
    ]
    assert result(repeated, min_diversity=0.5)["next"]
    assert result(repeated, min_diversity=None)["next"]


def test_a_loss_is_no_gain_whatever_its_p_value():
    mcnemar = {"p_value": 0.001, "only_first": 12, "only_second": 0}
    worse = {"benchmark": "self_tests", "first": "round 1", "difference": -0.5, "mcnemar": mcnemar}
    assert len(reasons_to_stop([worse], 1.0, NextRoundConfig())) == 1
    other = {**worse, "benchmark": "humaneval", "difference": 0.5}
    with pytest.raises(DataError, match="expected a comparison of the models on self_tests, found none"):
        reasons_to_stop([other], 1.0, NextRoundConfig())


def test_models_scored_on_different_data_are_not_compared(result, tmp_path):
    scored(tmp_path / "1", [True] * 10, data="other")
    with pytest.raises(DataError, match="self_tests: round 1 and round 2 were scored on different data"):
        result()


def test_no_instructions_have_no_share(tmp_path):
    none = instructions(tmp_path / "none.jsonl", [])
    assert measure_diversity([none], SelfTestsConfig()) == {
        "instructions": 0,
        "distinct": 0,
        "share": None,
    }


def test_the_table_says_why_no_round_followed(result, tmp_path):
    result()
    (tmp_path / "result.json").rename(tmp_path / "round.json")
    write_table([tmp_path / "round.json"], tmp_path / "table.json", rounds=2)
    table = read_json(tmp_path / "table.json")
    assert table["end"] == "the maximum number of rounds (2)"
    (row,) = round_rows(table)
    assert (row["round"], row["rows"], row["distinct"], row["value"]) == (2, 7, 1.0, 1.0)
    assert [(each["first"], each["only_second"]) for each in row["comparisons"]] == [
        ("round 1", 8),
        ("base", 5),
    ]
    result(number=1)
    write_table([tmp_path / "result.json"], tmp_path / "table.json", rounds=2)
    assert read_json(tmp_path / "table.json")["end"].startswith("no gain on self_tests over base")


def test_the_configuration_of_a_later_round():
    config = load_config({"rounds": 3, "next_round": {"prompt_template": "prompts/templates/selfalign.yaml"}})
    later = LaterRound(3, config.model_dump())
    assert (round_number(config.model_dump()), round_number(later)) == (1, 3)
    loaded = load_config(dict(later))
    assert loaded.generation.prompt_template == "prompts/templates/selfalign.yaml"
    assert loaded.generation.seed == config.generation.seed + 200_000_000
    assert (loaded.rounds, loaded.evaluation.layouts.base) == (1, [])
    assert (loaded.run, loaded.training, loaded.curation) == (config.run, config.training, config.curation)


def test_no_two_rounds_send_the_same_request_seed():
    last = 2**31 - 1
    for seed in (0, 3407, last):
        seeds = [seed_of_round(seed, number) for number in range(1, MAX_ROUNDS + 1)]
        assert seeds[0] == seed
        assert all(0 <= each <= last for each in seeds)
        ordered = sorted(seeds)
        assert min(b - a for a, b in pairwise(ordered)) >= 40_000_000


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"rounds": 0}, "rounds"),
        ({"rounds": MAX_ROUNDS + 1}, "rounds"),
        ({"evaluation": {"benchmarks": [{"name": "humaneval"}]}}, "has no self_tests, by which rounds are"),
        ({"evaluation": {"layouts": {"base": ["plain"]}}}, "the base model is not evaluated in the first of"),
        ({"evaluation": {"layouts": {"tuned": []}}}, "the base model is not evaluated in the first of"),
        (
            {"server": {"kind": "external", "endpoints": ["http://h/v1"]}},
            "external cannot be given the tuned model",
        ),
        ({"training": {"method": "lora", "lora": {"merge": False}}}, "'training.lora.merge' is false"),
        (
            {"start": {"stage": "responses", "dataset": "a/b", "revision": "main", "count": 4}},
            "'start.stage' is 'responses'",
        ),
    ],
)
def test_what_conflicts_with_rounds_is_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"rounds": 2, **value})
    assert Config().rounds == 1
