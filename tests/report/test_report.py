import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.config import ReportConfig
from selfalign.core.errors import DataError
from selfalign.core.jsonl import write_json, write_jsonl
from selfalign.report.figures import (
    MAX_TEXT_CHARACTERS,
    account_energy,
    account_preferences,
    account_stages,
    account_time,
    account_tokens,
    beside_published,
    count_concepts,
    count_verdicts,
    example_rows,
)
from selfalign.report.files import files_of_run, stage_of
from selfalign.report.funnel import PUBLISHED, build_funnel
from selfalign.report.page import provenance_rows, seed_charts, write_page
from selfalign.report.score_tables import result_rows


def test_shards_of_a_step_are_joined_in_order(run):
    steps = json.loads((run / "report/funnel.json").read_text())["steps"]
    assert [(s["stage"], s["step"], s["in"], s["out"]) for s in steps] == [
        ("seeds", "filter", 10, 4),
        ("concepts", "concepts", 4, 2),
        ("execution", "execute", 60, 40),
        ("dataset", "select", 2, 0),
    ]
    assert steps[1]["dropped"] == {"cut": 2}


def test_counts_of_another_form_are_refused(tmp_path):
    write_json(tmp_path / "x.json", {"step": "a"})
    with pytest.raises(DataError, match="expected the counts of a step"):
        build_funnel([tmp_path / "x.json"])


def test_ours_stands_beside_the_published_stage_it_is(run):
    steps = json.loads((run / "report/funnel.json").read_text())["steps"]
    rows = {row["stage"]: row for row in beside_published(steps, PUBLISHED["rows"])}
    assert rows["functions with a docstring"]["ours"] == 4
    assert rows["responses (10 each, temperature 0.7)"]["ours"] == 60
    assert rows["passing execution"]["ours_share"] == pytest.approx(40 / 60)
    assert rows["passing execution"]["published_share"] == pytest.approx(500_000 / 2_400_000)
    assert rows["instructions"]["ours"] is None


def test_concepts_and_verdicts_are_counted(run):
    files = files_of_run(run)
    assert count_concepts(files.concepts)[0] == ("lists", 40)
    assert len(count_concepts(files.concepts)) == 41
    assert count_verdicts(files.verdicts) == [("passed", "", 40), ("assertion", "AssertionError", 20)]


def test_tokens_of_the_cache_are_accounted_too(run):
    (row,) = account_tokens(files_of_run(run).metrics)
    assert (row["requests"], row["from_cache"], row["prompt"], row["completion"]) == (5, 2, 50, 15)


def test_time_is_added_up_by_rule_and_what_was_not_measured_is_nothing(run):
    (row,) = account_time(run / "benchmarks")
    assert (row["rule"], row["jobs"], row["seconds"], row["cpu_seconds"]) == ("concepts", 2, 90.5, 11.0)


def test_rows_are_bounded_by_step_and_reason(run):
    files = files_of_run(run)
    rows = example_rows(files.dataset, files.dropped, kept=5, per_reason=2)
    assert [row["where"] for row in rows] == ["kept"] * 5 + ["execution"] * 2 + ["dataset: select"] * 2
    assert rows[5]["reason"] == "assertion"
    assert rows[5]["lineage"]["seed"]["license"] == "BSD License"


def test_long_texts_are_cut_and_say_so(tmp_path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"seed": "x" * (MAX_TEXT_CHARACTERS + 1)}))
    (row,) = example_rows(tmp_path / "rows.jsonl", (), kept=1, per_reason=0)
    assert row["texts"]["seed"].endswith("the file has the full text)")


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("results/counts/seeds/dropped/functions/toolz-1.0.0.jsonl", "seeds: functions"),
        ("r/seeds/dropped/duplicates.jsonl", "seeds: duplicates"),
        ("r/execution/dropped/0000.jsonl", "execution"),
        ("r/dataset/dropped/select.jsonl", "dataset: select"),
        ("r/concepts/metrics/0001.json", "concepts"),
    ],
)
def test_the_stage_of_a_file_is_in_its_path(tmp_path, path, stage):
    assert stage_of(tmp_path / path) == stage


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.scripts, self.addresses = 0, []

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action")]


def test_page_is_self_contained_and_escapes_data(page):
    text = page.read_text()
    elements = Elements()
    elements.feed(text)
    assert elements.scripts == 2
    assert all(address.startswith(("#", "data:")) for address in elements.addresses)
    assert "duplicate &lt;b&gt; 2" in text
    assert "none of the 2 rows was kept" in text
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_a_run_with_nothing_but_a_funnel_has_a_page(run, tmp_path):
    bare = tmp_path / "bare/report"
    bare.mkdir(parents=True)
    (bare / "funnel.json").write_text((run / "report/funnel.json").read_text())
    done = CliRunner().invoke(build_app(), ["report", str(bare.parent), str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert "Not scored." in (tmp_path / "page.html").read_text()


def test_the_training_is_summed_up(page):
    text = " ".join(page.read_text().split())
    # 2500 tokens in 4 + 4 x 2 seconds.
    assert "5 steps, 2,500 tokens, 208.3 tokens/s; 50.0 % of the positions were padding." in text
    assert "1.5e+12 floating-point operations of the model, 25.0 % of the peak performance (MFU);" in text
    assert "peak memory of a process 2,005 MiB." in text


def test_provenance_is_told_without_the_names_of_machines(page):
    text = page.read_text()
    for part in (
        "c0ffee",
        "rules/&lt;x&gt;.smk",
        "vllm absent",
        "machine of 7 jobs",
        "2 cores, 2.0 GiB, no GPU",
    ):
        assert part in text, part
    assert "secret" not in text


def test_provenance_outside_of_git_says_so():
    document = {
        "commit": None,
        "configuration_sha256": "",
        "environment": {"locks": {"l": ""}, "not_as_locked": {}},
        "images": {"sandbox": [], "server": "vllm:1"},
        "hosts": [],
    }
    rows = dict(provenance_rows(document))
    assert rows["commit"] == "not from a git working copy"
    assert rows["changed since that commit"] == "not known"
    assert rows["packages not as locked"] == "none"
    assert rows["image of the model server"] == "vllm:1"


def test_the_statistics_of_the_seeds_are_drawn():
    histogram = {"histogram": {"edges": [1.0, 2.0, 3.0], "heights": [4, 5]}}
    nothing = {"histogram": {"edges": [], "heights": []}}
    statistics = {
        "found": {"functions_per_file": histogram},
        "pool": {"lines": histogram, "docstring_characters": nothing, "imports": {"itertools": 7}},
        "verdicts": [{"step": "filter", "dropped": {"no_return": 3}}, {"step": "types", "dropped": {}}],
    }
    drawn = dict(seed_charts(statistics))
    assert list(drawn) == [
        "Length of the seeds in the pool",
        "Functions found in a file",
        "Modules that the seeds in the pool import",
        "Dropped functions by reason",
    ]
    assert all(chart.startswith("<svg") for chart in drawn.values())
    assert "itertools" in drawn["Modules that the seeds in the pool import"]
    assert "filter: no_return" in drawn["Dropped functions by reason"]
    assert ">files<" in drawn["Functions found in a file"]


def _summary(base, tuned, only_first, only_second, p_value):
    def score(model, layout, value):
        metrics = {"pass@1": {"value": value, "interval": [0.0, 1.0]}}
        return {"model": model, "layout": layout, "benchmark": "b", "title": "B", "n": 46, "metrics": metrics}

    test = {"only_first": only_first, "only_second": only_second, "p_value": p_value}
    metrics = {"pass@1": {"difference": tuned - base, "mcnemar": test}}
    comparison = {"benchmark": "b", "title": "B", "first": "base", "second": "tuned", "metrics": metrics}
    return {
        "scores": [score("base", "own", base), score("base", "plain", 0.1), score("tuned", "own", tuned)],
        "comparisons": [
            {**comparison, "layout": "reference", "headline": False},
            {**comparison, "layout": "own", "headline": True},
        ],
    }


@pytest.mark.parametrize(
    ("base", "tuned", "p_value", "verdict"),
    [
        (0.5, 0.7, 0.04, "better"),
        (0.7, 0.5, 0.04, "worse"),
        (0.5, 0.7, 0.06, "no clear difference"),
        (0.5, 0.5, 1.0, "no clear difference"),
    ],
)
def test_the_result_is_said_in_the_layout_of_the_headline(base, tuned, p_value, verdict):
    (row,) = result_rows(_summary(base, tuned, 1, 8, p_value))
    assert (row["verdict"], row["layout"], row["n"]) == (verdict, "own", 46)
    assert (row["base"], row["tuned"], row["only_base"], row["only_tuned"]) == (base, tuned, 1, 8)
    assert row["others"] == [("plain", 0.1)]


def test_the_result_comes_first_on_the_page(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    write_json(copy / "scores/summary.json", _dataset(_summary(0.5, 0.7, 1, 8, 0.04)))
    write_page(tmp_path / "page.html", run="r", files=files_of_run(copy), configuration={})
    text = " ".join((tmp_path / "page.html").read_text().split())
    assert text.index('<h2 id="result">') == text.index("<h2 id=")
    assert "B: better.</strong> The tuned model solves 70.0" in text
    assert "+20.0 points; 8 tasks only the tuned model, 1 only the base model" in text
    assert "the base model solves 10.0" in text
    assert "points by the layout alone" in text


def _dataset(summary):
    for row in summary["scores"]:
        row["dataset"] = {"version": "v1"}
    return summary


def metrics_file(path, *, answers=1, **measured):
    write_json(path, {"answers": answers, "energy": {"machine": "a", "sources": ["rapl"], **measured}})
    return path


def test_preferences_have_a_section(run, tmp_path):
    pairs, metrics = tmp_path / "pairs.jsonl", tmp_path / "metrics.jsonl"
    write_jsonl(pairs, [{"index": index} for index in (0, 0, 3)])
    steps = [(1, 0.5, 0.6931, 0.25), (2, 1.0, 0.6, 0.5), (3, 1.5, 0.5, 0.75), (4, 2.0, 0.4, 1.0)]
    write_jsonl(
        metrics,
        [
            {"step": step, "epoch": epoch, "loss": loss, "rewards/accuracies": share}
            for step, epoch, loss, share in steps
        ],
    )
    found = {"pairs": 3, "instructions": 2}
    assert account_preferences(None, None) is None
    assert account_preferences(pairs, None) == found
    trained = {**found, "steps": 4, "first": 0.6931, "last": 0.4, "preferred": 0.875}
    assert account_preferences(pairs, metrics) == trained
    files = dataclasses.replace(files_of_run(run), preferences=pairs, preference_training=metrics)
    write_page(tmp_path / "page.html", run="tiny", files=files, configuration={})
    page = (tmp_path / "page.html").read_text()
    assert "3 pairs of a chosen and a rejected response to 2 instructions" in page
    assert "loss 0.6931 in the first and 0.4000 in the last" in page
    assert "87.5\N{NO-BREAK SPACE}% of the pairs" in page
    write_page(tmp_path / "page.html", run="tiny", files=files_of_run(run), configuration={})
    assert "preferences" not in (tmp_path / "page.html").read_text()


def test_the_energy_of_jobs_that_overlap_on_a_machine_is_counted_once(tmp_path):
    files = (
        # Two jobs of 100 s on one machine of 36 W, at the same time for 50 s; one on another machine.
        metrics_file(tmp_path / "concepts/metrics/0.json", joules=3600.0, seconds=100.0, started_at=1000.0),
        metrics_file(tmp_path / "concepts/metrics/1.json", joules=3600.0, seconds=100.0, started_at=1050.0),
        metrics_file(
            tmp_path / "concepts/metrics/2.json", machine="b", joules=100.0, seconds=1.0, started_at=1000.0
        ),
        # A job that used no server.
        metrics_file(
            tmp_path / "concepts/metrics/3.json", answers=0, joules=None, seconds=9.0, started_at=1.0
        ),
        metrics_file(tmp_path / "responses/metrics/0.json", joules=36.0, seconds=1.0, started_at=1.0),
        metrics_file(tmp_path / "responses/metrics/1.json", joules=None, seconds=1.0, started_at=1.0),
    )
    found = account_energy(files)
    assert found == {"concepts": pytest.approx((36 * 150 + 100) / 3.6e6), "responses": None}
    write_json(files[0], {"answers": 1, "energy": None})
    assert account_energy(files)["concepts"] is None


def test_stages_have_hours_energy_and_a_price_where_they_are_known():
    time = [
        {"rule": "concepts", "jobs": 2, "seconds": 3600.0},
        {"rule": "benchmark_samples", "jobs": 1, "seconds": 1800.0},
        {"rule": "benchmark_score", "jobs": 1, "seconds": 1800.0},
        {"rule": "seed_pool", "jobs": 1, "seconds": 36.0},
    ]
    rows = account_stages(time, {"concepts": 2.0}, price_per_hour=3.0, price_per_kwh=0.5)
    assert rows == [
        {"stage": "concepts", "jobs": 2, "hours": 1.0, "kwh": 2.0, "money": 4.0},
        {"stage": "evaluation", "jobs": 2, "hours": 1.0, "kwh": None, "money": None},
        {"stage": "other rules", "jobs": 1, "hours": 0.01, "kwh": None, "money": None},
    ]
    by_the_hour = account_stages(time, {}, price_per_hour=3.0)
    assert [row["money"] for row in by_the_hour] == [3.0, 3.0, pytest.approx(0.03)]


def test_the_page_states_the_costs_of_stages(run, tmp_path):
    out = tmp_path / "page.html"
    settings = ReportConfig(price_per_hour=2.0, price_per_kwh=0.5)
    write_page(out, run="tiny", files=files_of_run(run), configuration={}, settings=settings)
    text = " ".join(out.read_text().split())
    cells = "".join(f'<td class="number">{value}</td>' for value in ("2", "0.0251", "not known", "not known"))
    assert f"<tr><td>concepts</td>{cells}</tr>" in text
