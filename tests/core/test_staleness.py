import re

import pytest

from selfalign.core.config import Config, load_config
from selfalign.core.config.evaluation import ScoringLimits
from selfalign.core.config.staleness import decisive_values, leaf_keys, restricted, with_values

# Settings that no rule has as its parameter `settings`, and what makes outputs stale instead.
OTHERWISE = {
    "curation.responses": "parameter responses of sanitize_raw",
    "paths.downloads": "directory of the outputs",
    "curation.export.title": "parameter of the data-set card, within its sections",
    "curation.export.license": "parameter of the data-set card, within its sections",
    "curation.consensus": "whether the rule is part of the workflow",
    "execution.matrix.enabled": "whether the rule is part of the workflow",
    "preferences.enabled": "whether the rules are part of the workflow",
    "generation.instruction_filter.enabled": "whether the rule is part of the workflow",
    "seeds.count": "bounds of the shards",
    "start.count": "bounds of the shards",
    "generation.shard_size": "bounds of the shards",
    "generation.few_shots": "input, and its hash",
    "generation.few_shots_url": "address of the download",
    "generation.few_shots_sha256": "path of the input",
    "seeds.contamination.against": "parameter benchmarks, and its inputs",
    "curation.decontamination.against": "parameter benchmarks, and its inputs",
    "curation.decontamination.scored": "parameter benchmarks, and its inputs",
    "evaluation.layouts.base": "inputs of scores",
    "evaluation.layouts.tuned": "inputs of scores",
    "evaluation.benchmarks": "parameters sampling and scoring",
    "evaluation.checkpoints": "outputs of train, and inputs of the report",
    "evaluation.pass_at": "parameter scoring",
    "evaluation.max_reference_failures": "parameter scoring",
    **{
        f"evaluation.limits.{name}": "parameters scoring, and limits of the references"
        for name in ScoringLimits.model_fields
    },
    "learning_curve.instructions": "points of the curve",
    "learning_curve.learning_rates": "points of the curve",
    "learning_curve.responses": "points of the curve",
    "rounds": "rules of later rounds",
    "next_round.prompt_template": "generation.prompt_template of later rounds",
    "reproduction.published_samples": "rows of the table, parameter obtained",
    "reproduction.own_scores": "rows of the table, parameter obtained",
    "reproduction.released_model": "rows of the table, parameter obtained",
}


def test_runtime_only_settings_are_left_out_at_every_depth():
    config = load_config({"curation": {"export": {"hub": "me/rows", "title": "Rows"}}})
    decisive = config.decisive()
    assert decisive["curation"]["export"] == {"title": "Rows", "license": "other", "test_share": 0.0}
    assert not {"server", "client", "downloads", "log_level"} & decisive.keys()
    assert "name" not in decisive["model"]
    assert [each["name"] for each in decisive["evaluation"]["benchmarks"]] == ["self_tests", "humaneval"]


def test_values_are_those_of_settings_and_sections():
    values = decisive_values(Config(), "curation.seed", "model")
    assert values == {
        "curation.seed": 0,
        "model": {"source": "embedded", "id": None, "revision": None, "path": None},
    }


@pytest.mark.parametrize("key", ["server", "training.gpus", "model.name", "curation.sed", "nothing.at.all"])
def test_what_decides_no_bytes_is_no_parameter(key):
    with pytest.raises(KeyError, match=f"'{key}' is not a setting that affects outputs"):
        decisive_values(Config(), key)


def test_a_job_reads_its_settings_and_runtime_only_ones():
    values = {"curation.seed": 5, "generation.concepts": {**Config().generation.concepts.decisive(), "n": 3}}
    config = restricted(with_values(Config(), values), values.keys())
    assert (config.curation.seed, config.generation.concepts.n) == (5, 3)
    assert config.client == Config().client
    assert config.training.save_steps == Config().training.save_steps
    for read in (
        lambda: config.generation.seed,
        lambda: config.curation.quality.complete_code,
        lambda: config.training.learning_rate,
        lambda: config.run,
    ):
        with pytest.raises(AttributeError):
            read()
    assert Config().curation.seed == 0


def test_every_setting_that_decides_bytes_is_a_parameter_of_a_rule(root):
    rules = "".join(path.read_text() for path in (root / "rules").rglob("*.smk"))
    calls = re.findall(r"(?:settings|decisive_values)\(([^()]*)\)", rules)
    named = {key for call in calls for key in re.findall(r'"([\w.]+)"', call)}
    # By `stage_settings`.
    named |= {f"generation.{key}" for key in ("concepts", "instructions", "responses", "pipeline")}
    named |= {f"generation.{key}" for key in ("prompt_template", "mode", "permutations", "seed")}
    # The data-set card prints these sections, which makes nothing else stale.
    named -= {"start", "seeds", "generation", "execution", "curation"}
    decisive = [key for key, runtime_only in leaf_keys() if not runtime_only]
    covered = [key for key in decisive if any(key == name or key.startswith(f"{name}.") for name in named)]
    assert set(decisive) - set(covered) == OTHERWISE.keys()


def test_scripts_read_the_configuration_in_one_way(root):
    """Apart from the report and the provenance, which record all of it."""
    reading = {
        path.name for path in (root / "scripts").glob("*.py") if "snakemake.config" in path.read_text()
    }
    assert reading == {"_job.py", "provenance.py", "report.py"}
