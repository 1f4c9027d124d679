"""The learning curve: configuration, and the collected scores."""

from __future__ import annotations

import pytest

from selfalign.core.config import load_config
from selfalign.core.config.learning_curve import CurvePoint
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import read_json, write_json, write_jsonl
from selfalign.evaluate.learning_curve import write_learning_curve


def scored(directory, passed):
    verdicts = [
        {"task_id": f"t{n}", "sample": 0, "base": {"status": "pass" if each else "fail"}}
        for n, each in enumerate(passed)
    ]
    write_jsonl(directory / "verdicts.jsonl", verdicts)
    value = sum(passed) / len(passed)
    metrics = {"pass@1": {"value": value, "interval": [0, 1], "correct": sum(passed)}}
    write_json(directory / "score.json", {"title": "Self-tests", "n": len(passed), "metrics": metrics})
    return directory


def test_every_point_is_compared_with_the_base_model(tmp_path):
    base = scored(tmp_path / "base", [True, False, False, False])
    points = {
        CurvePoint("one", 2, 1e-4): scored(tmp_path / "a", [False, True, True, False]),
        CurvePoint("all", None, 1e-4): scored(tmp_path / "b", [True, True, True, True]),
    }
    files = []
    for name, count in (("one", 2), ("all", 4)):
        files.append(tmp_path / f"{name}.jsonl")
        write_jsonl(
            files[-1], [{"instruction": f"i{n // 2 if name == 'all' else n}\n\nmore"} for n in range(count)]
        )
    write_learning_curve(points, files, tmp_path / "curve.json", layout="own", base=base)
    curve = read_json(tmp_path / "curve.json")
    assert (curve["benchmark"], curve["layout"], curve["n"], curve["base"]) == ("Self-tests", "own", 4, 0.25)
    first, second = curve["points"]
    assert (first["instructions"], first["rows"], first["value"]) == (2, 2, 0.5)
    assert (first["mcnemar"]["only_first"], first["mcnemar"]["only_second"]) == (1, 2)
    assert (second["responses"], second["instructions"], second["rows"]) == ("all", 2, 4)
    assert (second["mcnemar"]["only_first"], second["mcnemar"]["only_second"]) == (0, 3)


def test_instructions_are_counted_as_generated(tmp_path):
    """Not by their first line, and without the tests that the sanitisation appends to some of them."""
    asked = ["Write a function.\nIt adds.", "Write a function.\nIt doubles."]
    tests = "\n\nYour code should pass the following tests:\n```python\nassert f(1) == 2\n```"
    write_jsonl(
        tmp_path / "rows.jsonl",
        [{"instruction": each} for each in (*asked, asked[0] + tests, asked[1] + tests)],
    )
    points = {CurvePoint("all", 2, 1e-4): scored(tmp_path / "a", [True])}
    write_learning_curve(points, [tmp_path / "rows.jsonl"], tmp_path / "curve.json", layout="own", base=None)
    (point,) = read_json(tmp_path / "curve.json")["points"]
    assert (point["instructions"], point["rows"]) == (2, 4)


def test_without_a_score_of_the_base_model_there_is_no_comparison(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"instruction": "i"}])
    points = {CurvePoint("one", 1, 1e-4): scored(tmp_path / "a", [True])}
    write_learning_curve(points, [tmp_path / "rows.jsonl"], tmp_path / "curve.json", layout="own", base=None)
    curve = read_json(tmp_path / "curve.json")
    assert curve["base"] is None
    assert curve["points"][0]["mcnemar"] is None


def test_names_of_points():
    assert CurvePoint("one", 25, 2e-5).key == "one-25-2e-05"
    assert CurvePoint("all", None, 1e-4).key == "all-all-0.0001"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"evaluation": {"benchmarks": [{"name": "humaneval"}]}}, "not scored on self_tests"),
        ({"evaluation": {"layouts": {"tuned": []}}}, "not scored on self_tests"),
        ({"server": {"kind": "external"}}, "cannot be given the models"),
        (
            {
                "execution": {"matrix": {"enabled": True}},
                "curation": {"consensus": True},
                "learning_curve": {"instructions": [5], "responses": ["one", "all"]},
            },
            "conflicts with 'curation.consensus'",
        ),
        ({"learning_curve": {"instructions": [5, 5]}}, "expected each value once"),
        ({"learning_curve": {"instructions": [-1]}}, "learning_curve.instructions"),
        ({"learning_curve": {"instructions": ["some"]}}, "learning_curve.instructions"),
    ],
)
def test_a_curve_that_cannot_be_made_is_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"learning_curve": {"instructions": [5]}, **value})
