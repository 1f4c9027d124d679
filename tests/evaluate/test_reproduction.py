"""Published verdicts beside ours, the reproduction table, base against tuned model."""

from __future__ import annotations

import json

import pytest
import yaml
from own_records import EVALPLUS

from selfalign.benchmarks import load_benchmark
from selfalign.core.errors import DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, write_json, write_jsonl
from selfalign.evaluate.model_card import scores_table
from selfalign.evaluate.published_verdicts import compare_verdicts, known_differences, read_published_verdicts
from selfalign.evaluate.reproduction import (
    COLUMNS,
    NEW_SAMPLE,
    NOT_RUN,
    ObtainedScore,
    cells,
    published_figures,
    reproduction_rows,
    write_reproduction,
)
from selfalign.evaluate.score import build_score, write_summary
from selfalign.report.score_tables import result_rows, score_rows

FIRST, SECOND = "HumanEval/900", "HumanEval/901"


@pytest.fixture
def benchmark(make_benchmark):
    return make_benchmark("humaneval_plus", EVALPLUS)


def _part(passed):
    return {
        "status": "pass" if passed else "fail",
        "reason": None if passed else "wrong answer",
        "failing_input": None,
    }


def _verdicts(*pairs):
    return [
        {"task_id": task_id, "sample": 0, "passed": base and plus, "base": _part(base), "plus": _part(plus)}
        for task_id, (base, plus) in zip((FIRST, SECOND), pairs, strict=True)
    ]


def _published(path, *pairs):
    names = {True: "pass", False: "fail"}
    write_json(
        path,
        {
            "eval": {
                task_id: [{"base_status": names[base], "plus_status": names[plus]}]
                for task_id, (base, plus) in zip((FIRST, SECOND), pairs, strict=True)
            }
        },
    )
    return path


def _write_score(directory, benchmark, verdicts, layout=None):
    """Write the files of one score."""
    write_jsonl(directory / "verdicts.jsonl", verdicts)
    write_json(directory / "score.json", build_score(benchmark, verdicts, [1], layout=layout))


def _summary(directory, benchmark, solved):
    """Return the summary, which is written too, of the scores of models in prompt layouts.

    Args:
        directory: directory of the summary and the scores.
        benchmark: benchmark with two tasks.
        solved: for each (model, layout), whether it passes the parts of each task.
    """
    scores = {}
    for (model, layout), pairs in solved.items():
        scores[model, layout, benchmark.name] = directory / model / layout
        _write_score(directory / model / layout, benchmark, _verdicts(*pairs), layout)
    write_summary(scores, directory / "summary.json")
    return read_json(directory / "summary.json")


def _read_published(path, benchmark):
    return read_published_verdicts(path, benchmark.by_id(), benchmark.title)


def test_every_difference_is_listed(tmp_path, benchmark):
    published = _read_published(_published(tmp_path / "p.json", (True, False), (True, True)), benchmark)
    found = compare_verdicts(_verdicts((True, True), (True, True)), published)
    assert (found["tasks"], found["agreeing"]) == (2, 1)
    assert found["published_correct"] == {"base": 2, "plus": 1}
    (difference,) = found["differing"]
    assert (difference["task_id"], difference["part"], difference["published"], difference["ours"]) == (
        FIRST,
        "plus",
        "fail",
        "pass",
    )
    assert difference["explanation"] is None


def test_other_files_are_no_published_verdicts(tmp_path, benchmark):
    (tmp_path / "p.json").write_text(json.dumps({"eval": {"HumanEval/1": []}}))
    with pytest.raises(DataError, match="expected verdicts on the tasks of HumanEval"):
        _read_published(tmp_path / "p.json", benchmark)
    (tmp_path / "p.json").write_text("[]")
    with pytest.raises(DataError, match="expected EvalPlus' results"):
        _read_published(tmp_path / "p.json", benchmark)


def test_a_score_says_of_what_and_how_sure(benchmark):
    score = build_score(benchmark, _verdicts((True, True), (True, False)), [1, 10])
    assert score["n"] == 2
    assert score["dataset"] == {
        "version": "test",
        "sha256": "0" * 64,
        "source": benchmark.definition.source,
    }
    assert set(score["harness"]) == {"selfalign", "evalplus", "python", "definition"}
    assert set(score["metrics"]) == {"base pass@1", "plus pass@1"}  # no pass@10 of one sample
    assert score["metrics"]["base pass@1"]["correct"] == 2
    assert score["metrics"]["plus pass@1"]["value"] == 0.5


def test_the_table_sets_a_published_figure_beside_the_same_thing_only(tmp_path, benchmark):
    score = build_score(benchmark, _verdicts((True, True), (True, False)), [1])
    score["dataset"]["version"] = "v0.1.9"
    write_json(tmp_path / "score.json", score)
    model = "bigcode/starcoder2-15b-instruct-v0.1"
    rows = reproduction_rows([ObtainedScore(model, "scored again", tmp_path / "score.json")])
    base, plus = rows[:2]
    assert (base["published"]["correct"], base["obtained"]["correct"]) == (119, 2)
    assert base["difference"] == pytest.approx(1 - 119 / 164)
    assert plus["obtained"]["value"] == 0.5
    assert all(row["how"] == NOT_RUN and row["obtained"] is None for row in rows[2:])
    assert len(rows) == len(published_figures())
    # Another version of the data, or another model, has no published figure.
    score["dataset"]["version"] = "v0.1.10"
    write_json(tmp_path / "score.json", score)
    rows = reproduction_rows([ObtainedScore(model, "scored again", tmp_path / "score.json")])
    assert rows[0]["published"] is None
    assert rows[0]["difference"] is None
    assert all(len(cells(row)) == len(COLUMNS) for row in rows)


def test_new_answers_stand_beside_the_published_verdicts(tmp_path, benchmark):
    verdicts = _verdicts((True, True), (True, False))
    _write_score(tmp_path, benchmark, verdicts)
    published = _published(tmp_path / "p.json", (True, True), (True, True))
    obtained = ObtainedScore("m", "samples generated here", tmp_path / "score.json", None, published)
    base, plus = reproduction_rows([obtained])[:2]
    assert base["differing"] == []
    assert [(each["task_id"], each["explanation"]) for each in plus["differing"]] == [(SECOND, NEW_SAMPLE)]
    # Verdicts on one answer a task say nothing of several.
    twice = [{**each, "sample": n} for n in (0, 1) for each in verdicts]
    _write_score(tmp_path, benchmark, twice)
    assert reproduction_rows([obtained])[0]["differing"] is None


def test_the_three_forms_hold_the_same_rows(tmp_path, benchmark):
    write_json(tmp_path / "score.json", build_score(benchmark, _verdicts((True, True), (True, False)), [1]))
    solved = {
        ("base", "own"): ((True, False), (False, False)),
        ("tuned", "own"): ((True, True), (True, False)),
    }
    (comparison,) = _summary(tmp_path, benchmark, solved)["comparisons"]
    assert comparison["metrics"]["base pass@1"]["mcnemar"]["only_second"] == 1
    assert comparison["metrics"]["plus pass@1"]["difference"] == 0.5
    outs = {form: tmp_path / f"table.{form}" for form in ("json", "markdown", "html")}
    write_reproduction(
        [ObtainedScore("m|n", "<scored>", tmp_path / "score.json")], tmp_path / "summary.json", **outs
    )
    rows = read_json(outs["json"])["rows"]
    markdown, html = outs["markdown"].read_text(), outs["html"].read_text()
    table = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert html.count("<tr>") == len(rows) + 1 + 1 + 2
    assert len(table) == html.count("<tr>")
    assert "&lt;scored&gt;" in html
    assert "300" in markdown
    assert "300" in html


def test_a_known_difference_explains_no_other_verdicts(tmp_path, benchmark, monkeypatch):
    verdicts = _verdicts((True, True), (True, True))
    first = _published(tmp_path / "first.json", (True, True), (True, False))
    second = _published(tmp_path / "second.json", (True, True), (False, False))
    known = {file_sha256(first): {f"{SECOND}:plus": "their\n  rounding"}}
    (tmp_path / "known_differences.yaml").write_text(yaml.safe_dump(known))
    assert known_differences(_read_published(first, benchmark)) == {}
    monkeypatch.setattr(
        "selfalign.evaluate.published_verdicts.files", {"selfalign.evaluate": tmp_path}.__getitem__
    )

    def explanations(path):
        found = compare_verdicts(verdicts, _read_published(path, benchmark))
        return [(each["task_id"], each["part"], each["explanation"]) for each in found["differing"]]

    assert explanations(first) == [(SECOND, "plus", "their rounding")]
    assert explanations(second) == [(SECOND, "base", None), (SECOND, "plus", None)]


@pytest.mark.published
@pytest.mark.parametrize("version", ["v0.1.9", "v0.1.10"])
def test_the_known_difference_is_of_the_published_verdicts(tmp_path, published_data, published_file, version):
    results = published_file("evalplus-starcoder2-15b-instruct-v0.1-humaneval_eval_results.json")
    plus = load_benchmark("humaneval_plus", version, published_data("humaneval_plus", version))
    assert list(known_differences(_read_published(results, plus))) == ["HumanEval/21:plus"]
    (tmp_path / "other.json").write_bytes(results.read_bytes() + b"\n")
    assert known_differences(_read_published(tmp_path / "other.json", plus)) == {}


def test_verdicts_on_another_number_of_samples_are_not_compared(tmp_path, benchmark):
    published = _read_published(_published(tmp_path / "p.json", (True, True), (True, True)), benchmark)
    twice = [{**each, "sample": n} for n in (0, 1) for each in _verdicts((True, True), (True, True))]
    with pytest.raises(DataError, match=r"p.json: expected verdicts on 2 sample.*'HumanEval/900', found 1"):
        compare_verdicts(twice, published)


def test_different_data_are_not_compared(tmp_path, benchmark):
    for model in ("base", "tuned"):
        verdicts = _verdicts((True, True), (True, True))
        score = build_score(benchmark, verdicts, [1])
        score["dataset"]["sha256"] = model
        write_jsonl(tmp_path / model / "verdicts.jsonl", verdicts)
        write_json(tmp_path / model / "score.json", score)
    with pytest.raises(DataError, match="scored on different data"):
        write_summary({(m, "own", "b"): tmp_path / m for m in ("base", "tuned")}, tmp_path / "summary.json")


def test_models_are_compared_within_a_layout_and_the_headline_is_where_the_base_is_best(tmp_path, benchmark):
    """The base model solves both tasks by plain completion; the tuned one is not asked so, and nothing is compared."""
    solved = {
        ("base", "plain"): ((True, True), (True, True)),
        ("base", "reference"): ((False, False), (False, False)),
        ("base", "own"): ((True, True), (False, False)),
        ("tuned", "reference"): ((True, True), (True, True)),
        ("tuned", "own"): ((True, True), (True, False)),
    }
    summary = _summary(tmp_path, benchmark, solved)
    assert [(row["model"], row["layout"]) for row in summary["scores"]] == list(solved)
    assert [
        (each["layout"], each["headline"], each["metrics"]["base pass@1"]["difference"])
        for each in summary["comparisons"]
    ] == [("reference", False, 1.0), ("own", True, 0.5)]


def test_a_model_trained_on_preferences_is_compared_with_both_others(tmp_path, benchmark):
    solved = {
        ("base", "plain"): ((True, True), (True, True)),
        ("base", "own"): ((False, False), (False, False)),
        ("tuned", "own"): ((True, True), (False, False)),
        ("preferred", "own"): ((True, True), (True, True)),
    }
    summary = _summary(tmp_path, benchmark, solved)
    assert [
        (each["first"], each["second"], each["headline"], each["metrics"]["base pass@1"]["difference"])
        for each in summary["comparisons"]
    ] == [
        ("base", "tuned", True, 0.5),
        ("tuned", "preferred", False, 0.5),
        ("base", "preferred", False, 1.0),
    ]
    test = summary["comparisons"][1]["metrics"]["base pass@1"]["mcnemar"]
    assert (test["only_first"], test["only_second"], test["both"]) == (0, 1, 1)
    # The result is about base and tuned model.
    (result,) = result_rows(summary)
    assert (result["base"], result["tuned"]) == (0.0, 0.5)


@pytest.mark.parametrize("solved_tasks", [[], [SECOND], ["HumanEval/900", SECOND]])
def test_scores_are_also_given_on_the_tasks_that_no_row_solves(tmp_path, benchmark, solved_tasks):
    verdicts = _verdicts((True, False), (True, True))
    _write_score(tmp_path, benchmark, verdicts)
    identity = {"benchmark": benchmark.name, "version": benchmark.version}
    write_json(tmp_path / "solutions.json", {**identity, "solved_tasks": solved_tasks})
    write_json(tmp_path / "other.json", {**identity, "version": "other", "solved_tasks": ["HumanEval/900"]})

    def row(*solutions):
        scores = {("tuned", "own", "humaneval_plus"): tmp_path}
        write_summary(scores, tmp_path / "summary.json", [tmp_path / each for each in solutions])
        (found,) = (summary := read_json(tmp_path / "summary.json"))["scores"]
        return found, summary

    assert "clean" not in row()[0]
    assert "clean" not in row("other.json")[0]
    score, summary = row("solutions.json", "other.json")
    clean, left = score["clean"], 2 - len(solved_tasks)
    assert (clean["n"], clean["solved_by_rows"]) == (left, len(solved_tasks))
    assert score["metrics"]["plus pass@1"]["value"] == 0.5
    if left == 0:
        assert clean["metrics"] == {}
    else:
        plus = clean["metrics"]["plus pass@1"]
        assert (plus["value"], plus["correct"]) == ((0.5, 1) if left == 2 else (0.0, 0))
        assert plus["interval"][0] <= plus["value"] <= plus["interval"][1] < 1
    assert ("tasks that no training row solves" in scores_table(summary)) == (left > 0)
    (plus_row,) = (each for each in score_rows(summary) if each["metric"] == "plus pass@1")
    assert (plus_row["clean"]["n"], plus_row["clean"].get("value")) == (
        left,
        clean["metrics"].get("plus pass@1", {}).get("value"),
    )


def test_a_published_score_stands_only_beside_one_of_its_layout(tmp_path, benchmark):
    model = "bigcode/starcoder2-15b"
    for layout, published in (("plain", 0.378), ("reference", None)):
        score = build_score(benchmark, _verdicts((True, True), (True, True)), [1], layout=layout)
        write_json(tmp_path / "score.json", score)
        _, plus = reproduction_rows([ObtainedScore(model, "new", tmp_path / "score.json")])[:2]
        assert (plus["published"] and plus["published"]["value"]) == published
