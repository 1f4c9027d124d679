"""What a run scores: own, published and released answers, found by the wildcards of a job."""

from __future__ import annotations

import pytest

from selfalign.core.config import load_config, with_preset
from selfalign.core.errors import ConfigError
from selfalign.evaluate.sample_sets import SampleSets

RELEASED = "bigcode/starcoder2-15b-instruct-v0.1"
SAMPLES = {"url": "https://example.org/a/samples.jsonl", "sha256": "0" * 64}


def _published(**changes):
    entry = {"model": "m/n", "benchmark": "evoeval", "version": "subtle-hub-b1d6d9da", "samples": SAMPLES}
    return {"reproduction": {"published_samples": [{**entry, **changes}]}}


@pytest.fixture
def sets(root):
    def make(config=None):
        loaded = load_config(config or {})
        released = with_preset(loaded.model_dump(), root / "presets/released-model.yaml")
        return SampleSets(loaded, released, results="results/r", downloads="d")

    return make


def test_own_answers_are_found_by_model_and_benchmark(sets):
    found = sets().find({"model": "tuned", "layout": "own", "benchmark": "humaneval"})
    assert found.directory == "results/r/scores/tuned/own/humaneval"
    assert (found.model, found.layout) == ("SmolLM2-135M-Instruct, tuned here", "own")
    plain = sets().find({"model": "base", "layout": "plain", "benchmark": "humaneval"})
    assert (plain.layout, plain.how) == ("plain", "samples generated here, plain completion")
    assert found.sampling()["max_new_tokens"] == 160
    assert found.scoring() == {
        "name": "humaneval",
        "version": "2021-07",
        "window": None,
        "pass_at": [1],
        "layout": "own",
        "environment": "numpy",
        "image": "",
        "max_reference_failures": 0,
        "limits": {"memory_mb": 4096, "check_s": 3.0},
        "exact_floats": False,
    }


def test_the_runs_own_tasks_are_scored_in_the_image_in_which_they_were_made(sets):
    made = sets({"execution": {"runtime": "docker", "image": "python:3.12", "environment": "build"}})
    images = {benchmark: found.scoring()["image"] for (_, _, benchmark), found in made.own.items()}
    assert images == {"self_tests": "python:3.12", "humaneval": ""}


def test_the_model_trained_on_preferences_is_asked_like_the_tuned_one(sets):
    matrix = {"execution": {"matrix": {"enabled": True}}, "preferences": {"enabled": True}}
    made = sets(matrix)
    assert [key for key in made.own if key not in sets().own] == [
        ("preferred", "own", "self_tests"),
        ("preferred", "own", "humaneval"),
    ]
    tuned, preferred = (
        made.find({"model": model, "layout": "own", "benchmark": "humaneval"})
        for model in ("tuned", "preferred")
    )
    assert preferred.directory == "results/r/scores/preferred/own/humaneval"
    assert preferred.model == "SmolLM2-135M-Instruct, tuned here and trained on preferences"
    assert (preferred.sampling(), preferred.scoring()) == (tuned.sampling(), tuned.scoring())
    nobody = {"evaluation": {"layouts": {"tuned": []}}}
    assert sets({**matrix, **nobody}).own.keys() == sets(nobody).own.keys()


def test_an_intermediate_checkpoint_is_scored_as_the_last_one_is(sets):
    made = sets()
    job = {"step": "20", "layout": "own", "benchmark": "humaneval"}
    found, last = made.find(job), made.own["tuned", "own", "humaneval"]
    assert found.directory == "results/r/scores/checkpoints/step-20/own/humaneval"
    assert found.model == "SmolLM2-135M-Instruct, step 20"
    assert (found.sampling(), found.scoring()) == (last.sampling(), last.scoring())


def test_published_answers_are_those_of_the_preset_and_of_the_configuration(sets):
    keys = list(sets(_published()).published)
    assert keys[-1] == "m--n-evoeval-subtle-hub-b1d6d9da"
    assert len(keys) == 6
    found = sets().find({"published": "bigcode--starcoder2-15b-instruct-v0.1-mbpp_plus-v0.1.0-exact"})
    assert found.scoring()["exact_floats"]
    assert found.published is not None
    assert sets().published_file(found.published.samples).startswith("d/published/evalplus-starcoder2-15b")
    assert len(sets().downloads()) == 4


def test_the_released_model_is_asked_what_it_has_published_answers_to(sets):
    made = sets()
    assert set(made.released) == {"humaneval_plus-v0.1.9", "humaneval_plus-v0.1.10", "mbpp_plus-v0.1.0"}
    found = made.find({"benchmark": "mbpp_plus-v0.1.0"})
    assert (found.model, found.layout) == (RELEASED, "own")
    verdicts = made.published_verdicts(found)
    assert verdicts is not None
    assert verdicts.endswith("-mbpp_eval_results.json")


def test_packaged_data_are_no_files_and_only_compared_benchmarks_have_a_ground_truth(sets):
    made = sets()
    assert (made.data("humaneval", None), made.ground_truth("humaneval", None)) == ([], [])
    assert (made.data("self_tests", None), made.ground_truth("self_tests", None)) == (
        ["results/r/self_tests/tasks.jsonl"],
        [],
    )
    assert made.data("mbpp_plus", "v0.2.0") == ["d/benchmarks/mbpp_plus/MbppPlus-v0.2.0.jsonl.gz"]
    assert made.ground_truth("mbpp_plus", None) == [
        "d/ground_truth/mbpp_plus-v0.2.0.jsonl",
        "d/ground_truth/mbpp_plus-v0.2.0.limits.json",
    ]


def test_the_table_has_what_is_asked_for(sets):
    made = sets()
    assert [
        len(made.reproduced(own=own, released=anew)) for own in (False, True) for anew in (False, True)
    ] == [
        5,
        8,
        11,
        14,
    ]


def test_the_table_compares_with_published_verdicts_where_there_are_any(sets):
    made = sets()
    published = made.published["bigcode--starcoder2-15b-instruct-v0.1-mbpp_plus-v0.1.0-exact"]
    new = made.find({"benchmark": "mbpp_plus-v0.1.0"})
    verdicts = made.published_verdicts(new)
    assert made.table_rows([published, new]) == [
        (
            RELEASED,
            published.how,
            f"{published.directory}/score.json",
            f"{published.directory}/comparison.json",
            None,
        ),
        (RELEASED, new.how, f"{new.directory}/score.json", None, verdicts),
    ]
    assert made.table_inputs([published, new]) == {
        "scores": [f"{published.directory}/score.json", f"{new.directory}/score.json"],
        "comparisons": [f"{published.directory}/comparison.json"],
        "published": [verdicts],
        "verdicts": [f"{new.directory}/verdicts.jsonl"],
    }


def test_a_local_file_needs_no_checksum_and_two_files_no_common_name(sets):
    made = sets(_published(samples={"path": "mine/samples.jsonl"}))
    found = made.published["m--n-evoeval-subtle-hub-b1d6d9da"]
    assert found.published is not None
    assert made.published_file(found.published.samples) == "mine/samples.jsonl"
    other = {"url": "https://example.org/b/samples.jsonl", "sha256": "1" * 64}
    with pytest.raises(ConfigError, match=r"two different files called 'samples\.jsonl'"):
        sets(_published(verdicts=other))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"url": "https://example.org/x"}, "`url` needs `sha256`"),
        ({}, "expected either `url`"),
        ({"url": "https://example.org/x", "sha256": "0" * 64, "path": "x"}, "expected either `url`"),
    ],
)
def test_a_published_file_is_pinned_or_local(file, message):
    with pytest.raises(ConfigError, match=message):
        load_config(_published(samples=file))


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"paths": {"journal": "x"}}, r"'paths\.journal' no longer exists; use 'paths\.completion_cache'"),
        ({"paths": {"shared": "x"}}, r"'paths\.shared' no longer exists; 'downloads\.local' names"),
        (
            {"evaluation": {"models": ["base"]}},
            r"'evaluation\.models' no longer exists; use 'evaluation\.layouts'",
        ),
        ({"evaluation": {"base_layout": "chat"}}, r"use 'evaluation\.layouts\.base'"),
        ({"evaluation": {"generate_released": "never"}}, r"use 'reproduction\.released_model'"),
        (
            {"evaluation": {"benchmarks": [{"name": "humaneval", "data": "x"}]}},
            r"'evaluation\.benchmarks\.0\.data' no longer exists; put the file into .*'downloads\.local'",
        ),
    ],
)
def test_former_keys_are_refused_with_what_took_their_place(config, line):
    with pytest.raises(ConfigError, match=line):
        load_config(config)


@pytest.mark.parametrize(
    ("layouts", "line"),
    [
        ({"base": [], "tuned": []}, "no layout for any model; name at least one"),
        ({"tuned": ["own", "own"]}, "a layout is listed twice"),
        ({"base": ["chat"]}, r"evaluation\.layouts\.base"),
    ],
)
def test_layouts_that_cannot_be_scored_are_refused(layouts, line):
    with pytest.raises(ConfigError, match=line):
        load_config({"evaluation": {"layouts": layouts}})


REPAIR = {"name": "livecodebench_repair"}
FIRST = {"name": "livecodebench"}


def test_repaired_samples_come_from_the_same_model_and_layout(sets):
    made = sets({"evaluation": {"benchmarks": [REPAIR, FIRST]}})
    job = {"model": "base", "layout": "plain", "benchmark": "livecodebench_repair"}
    directory = "results/r/scores/base/plain/livecodebench"
    assert made.repaired(job) == [f"{directory}/samples.jsonl", f"{directory}/verdicts.jsonl"]
    assert made.repaired({**job, "benchmark": "livecodebench"}) == []
    of_checkpoint = {"step": "20", "layout": "own", "benchmark": "livecodebench_repair"}
    directory = "results/r/scores/checkpoints/step-20/own/livecodebench"
    assert made.repaired(of_checkpoint) == [f"{directory}/samples.jsonl", f"{directory}/verdicts.jsonl"]
    assert made.data_directory("livecodebench_repair") == "d/benchmarks/livecodebench"
    assert made.data("livecodebench_repair", None) == made.data("livecodebench", None)


@pytest.mark.parametrize(
    ("benchmarks", "message"),
    [
        ([REPAIR], "add 'livecodebench' with the same version and window"),
        (
            [REPAIR, {**FIRST, "window": ["2023-05-01", "2024-03-31"]}],
            "add 'livecodebench' with the same version and window",
        ),
        ([{**REPAIR, "n": 2}, FIRST], "'n' conflicts with 'livecodebench_repair'"),
    ],
)
def test_samples_to_repair_must_be_generated(sets, benchmarks, message):
    with pytest.raises(ConfigError, match=message):
        sets({"evaluation": {"benchmarks": benchmarks}})
