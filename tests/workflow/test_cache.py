"""Between-workflow caching: what one working copy extracted, another takes from the cache."""

import subprocess

import pytest
from tests.workflow.harness import Build, tiny_config, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

FUNCTIONS = "results/tiny/seeds/functions/toolz-1.0.0.jsonl"


def extract(directory, cache):
    build = Build(
        working_copy(directory),
        {**tiny_config(), "model": {"source": "path", "path": str(cache.parent / "m")}},
    )
    command = build.command("--cache", "--", FUNCTIONS, "results/tiny/model/base")
    at = command.index("--")
    targets, rest = command[at + 1 : at + 3], command[at + 3 :]
    done = subprocess.run(
        [*command[:at], *rest, "--", *targets],
        cwd=directory,
        env={**build.environment(), "SNAKEMAKE_OUTPUT_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return build, done.stdout


def test_a_second_workflow_takes_seeds_and_model_from_the_cache(tmp_path):
    from tests.tiny import write_tiny_checkpoint

    write_tiny_checkpoint(tmp_path / "m")
    (tmp_path / "cache").mkdir()
    first, _ = extract(tmp_path / "one", tmp_path / "cache")
    kept = sorted(p.name for p in (tmp_path / "cache").iterdir())
    assert len(kept) >= 4  # rows, dropped, counts, checkpoint
    second, _ = extract(tmp_path / "two", tmp_path / "cache")
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == kept
    assert (second.directory / FUNCTIONS).read_bytes() == (first.directory / FUNCTIONS).read_bytes()
    for path in (FUNCTIONS, "results/tiny/model/base/config.json"):
        assert (second.directory / path).is_symlink()
    assert not (second.directory / "results/tiny/logs/collect_functions").exists(), "nothing ran"
