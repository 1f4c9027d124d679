"""The presets are valid configurations and plan what they say (dry runs)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from selfalign.benchmarks import load_definition
from selfalign.core.config import Config, load_config
from selfalign.core.config.document import default_yaml, schema_json
from selfalign.core.config.revisions import is_commit
from selfalign.evaluate.reproduction import published_figures
from selfalign.seeds.sources import list_units

PRESETS = ("starcoder2-15b", "published-dataset", "released-model")
# Those that train, and score the base and the tuned model.
TRAINING = PRESETS[:2]
# What no commit hash is known of: presets name a branch, which the build resolves once.
UNKNOWN = {
    "bigcode/starcoder2-15b-instruct-v0.1",
    "Qwen/CodeQwen1.5-7B",
    "bigcode/self-oss-instruct-sc2-exec-filter-50k",
}


@pytest.fixture(params=PRESETS)
def preset(request, root) -> Path:
    return root / "presets" / f"{request.param}.yaml"


def _merged(base: dict, over: dict) -> dict:
    """Return `over` layered over `base`, as Snakemake layers configuration files."""
    return {
        **base,
        **{
            key: _merged(base[key], value)
            if isinstance(value, dict) and isinstance(base.get(key), dict)
            else value
            for key, value in over.items()
        },
    }


def test_presets_are_valid(preset):
    over = yaml.safe_load(preset.read_text())
    config = load_config(_merged(Config().model_dump(mode="json"), over))
    assert config.run == preset.stem
    for choice in config.evaluation.benchmarks:
        load_definition(choice.name).version_named(choice.version)


def test_presets_name_commits_where_they_are_known(root):
    found = {}
    for path in sorted((root / "presets").rglob("*.yaml")):
        over = yaml.safe_load(path.read_text())
        model, sources = over.get("model", {}), over.get("seeds", {}).get("sources", {})
        if model.get("source") == "hub":
            found[path.name, model["id"]] = model["revision"]
        if sources.get("kind") in ("stack", "hub"):
            found[path.name, sources["dataset"]] = sources["revision"]
        if start := over.get("start"):
            found[path.name, start["dataset"]] = start["revision"]
    assert {name for _, name in found} > UNKNOWN
    moving = {name: revision for (_, name), revision in found.items() if not is_commit(revision)}
    assert moving == dict.fromkeys(UNKNOWN, "main")


def test_the_stack_is_all_of_its_files(root):
    over = yaml.safe_load((root / "presets/starcoder2-15b.yaml").read_text())
    sources = load_config(_merged(Config().model_dump(mode="json"), over)).seeds.sources
    assert sources.files == [f"data/python/data-{number:05d}-of-00144.parquet" for number in range(144)]
    units = list_units(sources)
    assert (units[0], units[-1]) == ("data_python_data-00000-of-00144", "data_python_data-00143-of-00144")


def test_presets_score_on_all_that_has_a_published_figure(preset):
    choices = load_config(
        _merged(Config().model_dump(mode="json"), yaml.safe_load(preset.read_text()))
    ).evaluation.benchmarks
    scored = {
        (choice.name, load_definition(choice.name).version_named(choice.version)[0]) for choice in choices
    }
    for figure in published_figures():
        versions = {version for name, version in scored if name == figure["benchmark"]}
        assert versions, figure
        assert figure.get("version") in {None, *versions}, figure


@pytest.fixture
def plan(root, tmp_path):
    """A function that plans targets with configuration files; returns the number of jobs of every rule."""
    for name in ("Snakefile", "rules", "scripts", "src", "presets", "prompts", "envs", "pyproject.toml"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/config.schema.json").write_text(schema_json())
    (tmp_path / "config.yaml").write_text(default_yaml())

    def planned(targets: list[str], *presets: str, **reproduction: str) -> dict[str, int]:
        (tmp_path / "over.yaml").write_text(yaml.safe_dump({"reproduction": reproduction}))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", *targets),
                *("--configfile", *presets, "over.yaml"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        words = [line.split() for line in (done.stdout + done.stderr).splitlines()]
        return {each[0]: int(each[1]) for each in words if len(each) == 2 and each[1].isdigit()}

    return planned


@pytest.mark.workflow
def test_presets_plan_what_they_say(preset, plan):
    targets = ["all", "reproduce"] if preset.stem in TRAINING else ["reproduce"]
    planned = plan(targets, f"presets/{preset.name}", released_model="never")
    evaluation = yaml.safe_load(preset.read_text())["evaluation"]
    scored = sum(map(len, evaluation["layouts"].values())) * len(evaluation["benchmarks"])
    assert planned["benchmark_samples"] == planned["benchmark_score"] == scored > 0
    # Once for each version of EvalPlus' and EvoEval's data, whatever the number of models.
    assert planned["ground_truth"] == 5
    assert planned["published_score"] == 5
    assert planned["reproduce"] == 1
    assert ("train" in planned) == (preset.stem in TRAINING)
    generating = {"concepts", "instructions", "responses", "execute", "seed_pool", "sanitize_smart"}
    assert planned.keys() & generating == (generating if preset.stem == "starcoder2-15b" else set())
    if preset.stem == "published-dataset":
        assert (planned["import_rows"], planned["import_shard"]) == (1, 7)
        assert {"length", "select", "decontaminate", "resolve_revision"} <= planned.keys()


def test_the_published_data_set_has_the_published_recipe(root):
    """Apart from where its rows come from, it is the published run."""
    published, imported = (
        load_config(_merged(Config().model_dump(mode="json"), yaml.safe_load(path.read_text())))
        for path in (root / "presets/starcoder2-15b.yaml", root / "presets/published-dataset.yaml")
    )
    for section in ("model", "server", "client", "curation", "training", "evaluation", "reproduction"):
        assert getattr(imported, section) == getattr(published, section), section


@pytest.mark.workflow
def test_the_released_model_is_planned_beside_its_published_answers(plan):
    # Nothing lies beside the clone: data, answers and verdicts are downloads.
    again = {"download": 7, "ground_truth": 3, "published_score": 5, "reproduce": 1}
    again |= {"program_environment": 1, "references": 3}
    assert plan(["reproduce"], released_model="never") == {**again, "total": 20}
    anew = {"released_model": 1, "released_samples": 3, "released_score": 3}
    assert plan(["reproduce"], released_model="always") == {
        **again,
        **anew,
        "resolve_revision": 1,
        "total": 28,
    }
    # Its own preset asks it already.
    planned = plan(["reproduce"], "presets/released-model.yaml", released_model="always")
    assert not set(anew) & set(planned)
