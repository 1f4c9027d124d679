"""Between-workflow caching: what one working copy extracted, another takes from the cache."""

import pytest
from tests.tiny import write_tiny_checkpoint
from tests.workflow.harness import Build, tiny_config, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

FUNCTIONS = "results/tiny/seeds/functions/toolz-1.0.0.jsonl"
MODEL = "results/tiny/model/base"


def make(directory, model):
    """Make seeds and model in a working copy of its own."""
    directory.mkdir()
    config = {**tiny_config(), "model": {"source": "path", "path": str(model)}}
    build = Build(working_copy(directory), config)
    done = build.snakemake("--cache", more=("--", FUNCTIONS, MODEL))
    assert done.returncode == 0, done.stdout[-3000:]
    return build


def test_a_second_workflow_takes_seeds_and_model_from_the_cache(tmp_path, monkeypatch):
    model, cache = tmp_path / "model", tmp_path / "cache"
    write_tiny_checkpoint(model)
    cache.mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
    first = make(tmp_path / "one", model)
    kept = sorted(path.name for path in cache.iterdir())
    assert len(kept) >= 4  # rows, dropped, counts, checkpoint
    second = make(tmp_path / "two", model)
    assert sorted(path.name for path in cache.iterdir()) == kept
    assert (second.directory / FUNCTIONS).read_bytes() == (first.directory / FUNCTIONS).read_bytes()
    assert (second.directory / FUNCTIONS).is_symlink()
    assert (second.directory / MODEL / "config.json").exists()
    assert second.result("logs/collect_functions/toolz-1.0.0.log").read_text() == "", "nothing ran"
    assert second.result("logs/base_model.log").read_text() == "", "nothing ran"
