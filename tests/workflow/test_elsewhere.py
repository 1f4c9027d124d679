"""The workflow in a directory that is not its own: with --directory, and as a module of another Snakefile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.tiny import write_tiny_checkpoint
from tests.workflow.harness import ROOT, tiny_config, working_copy

from selfalign.core.config import Config

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(300)]

FEW = {"seeds": {"count": 4, "sources": {"packages": ["toolz==1.0.0"]}}}
MODULE = """
module selfalign:
    snakefile: "{snakefile}"
    config: {config}

use rule * from selfalign{prefix}
"""


def snakemake(directory: Path, *arguments: str, sources: Path = ROOT / "src", **variables: str):
    """Run Snakemake in `directory`; return the completed process, output and errors together."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def planned(text: str) -> dict[str, int]:
    """Return the number of jobs of each rule that a dry run shows."""
    assert "This was a dry-run" in text, text[-3000:]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", text, flags=re.MULTILINE)}


@pytest.fixture(scope="module")
def default_plan(tmp_path_factory) -> dict[str, int]:
    """The jobs of the default build in a clone of its own."""
    clone = working_copy(tmp_path_factory.mktemp("clone"))
    plan = planned(snakemake(clone, "--dry-run", "--quiet", "host", sources=clone / "src").stdout)
    assert plan["fetch_package"] == 10
    assert plan["train"] == 1
    return plan


def test_the_default_is_planned_in_an_empty_directory(default_plan, tmp_path):
    done = snakemake(ROOT, "-s", "Snakefile", "--directory", str(tmp_path), "--dry-run", "--quiet", "host")
    assert planned(done.stdout) == default_plan
    assert {path.name for path in tmp_path.iterdir()} <= {".snakemake"}


def test_the_default_is_planned_as_a_module_without_a_configuration(default_plan, tmp_path):
    text = MODULE.format(snakefile=ROOT / "Snakefile", config="{}", prefix="")
    (tmp_path / "Snakefile").write_text(text.replace("    config: {}\n", ""))
    assert planned(snakemake(tmp_path, "--dry-run", "--quiet", "host").stdout) == default_plan


def test_the_default_is_planned_as_a_module_with_a_prefix_and_a_section_of_the_outer_configuration(
    default_plan, tmp_path
):
    (tmp_path / "repository").symlink_to(ROOT)
    (tmp_path / "ours.yaml").write_text("ours: 1\nselfalign: {seeds: {count: 12}}\n")
    text = MODULE.format(
        snakefile="repository/Snakefile", config='config["selfalign"]', prefix=" as selfalign_*"
    )
    (tmp_path / "Snakefile").write_text('configfile: "ours.yaml"\n' + text)
    # On the command line, Snakemake takes the number for text.
    over = ("--config", f'selfalign={{"seeds": {{"count": {Config().seeds.count}}}}}', "seeds={}")
    plan = planned(snakemake(tmp_path, "--dry-run", "--quiet", "host", *over).stdout)
    assert plan == {
        name if name == "total" else f"selfalign_{name}": count for name, count in default_plan.items()
    }


def test_the_first_steps_run_in_an_empty_directory(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(FEW))
    done = snakemake(
        tmp_path, "-s", str(ROOT / "Snakefile"), "--until", "seed_shard", "--configfile", "mine.yaml"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    check_first_steps(tmp_path)


def test_the_first_steps_run_as_a_module_and_so_do_the_handlers(tmp_path):
    text = MODULE.format(snakefile=ROOT / "Snakefile", config=json.dumps(FEW), prefix=" as inner_*")
    (tmp_path / "Snakefile").write_text('onstart:\n    print("outer handler")\n\n' + text)
    done = snakemake(tmp_path, "--until", "inner_seed_shard")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "outer handler" in done.stdout
    # Written by ours.
    assert (tmp_path / ".snakemake/selfalign/lock").exists()
    check_first_steps(tmp_path)
    # Read once more, and again for each rule that is changed.
    with (tmp_path / "Snakefile").open("a") as file:
        file.write("\nuse rule seed_pool from selfalign as inner_seed_pool with:\n    threads: 2\n")
    again = snakemake(tmp_path, "--until", "inner_seed_shard", "--forcerun", "inner_seed_shard")
    assert again.returncode == 0, again.stdout[-3000:]
    assert "1 of 1 steps (100%) done" in again.stdout or "1 of " in again.stdout


def check_first_steps(directory: Path):
    """Check that the seeds of FEW were made in `directory`, types checked, and nothing was put beside them."""
    rows = (directory / "results/default/seeds/shards/0000.jsonl").read_text().splitlines()
    assert len(rows) == 4
    counts = json.loads((directory / "results/default/seeds/counts/checked/toolz-1.0.0.json").read_text())
    assert counts[-1]["step"] == "types"
    assert counts[-1]["dropped"]["type_error"] > 0, counts
    assert {path.name for path in directory.iterdir()} <= {
        *("results", "resources", ".snakemake"),
        *("mine.yaml", "Snakefile", "tiny-model"),
    }


def test_handlers_that_the_outer_snakefile_replaces_can_be_called_there(tmp_path):
    text = MODULE.format(snakefile=ROOT / "Snakefile", config=json.dumps(FEW), prefix="")
    after = "\nonstart:\n    selfalign.onstart()\n    print('outer handler')\n"
    (tmp_path / "Snakefile").write_text(text + after)
    done = snakemake(tmp_path, "--until", "fetch_package")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "outer handler" in done.stdout
    assert (tmp_path / ".snakemake/selfalign/lock").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A directory with concepts, made by a clone beside it."""
    top = tmp_path_factory.mktemp("elsewhere")
    for name in ("clone", "another-clone", "work"):
        (top / name).mkdir()
    work = top / "work"
    working_copy(top / "clone")
    write_tiny_checkpoint(work / "tiny-model")
    (work / "tiny.yaml").write_text(yaml.safe_dump({**tiny_config(), "paths": {"results": "out"}}))
    done = run_concepts(work, top / "clone")
    assert done.returncode == 0, done.stdout[-3000:]
    return work, top / "clone"


def run_concepts(work: Path, clone: Path, *arguments: str):
    return snakemake(
        *(work, "-s", f"{clone}/Snakefile", "--until", "concepts", "--configfile", "tiny.yaml", *arguments),
        sources=clone / "src",
    )


def test_nothing_is_stale_because_the_clone_lies_elsewhere(made):
    work, clone = made
    moved = working_copy(clone.with_name("another-clone"))  # its files are newer, too
    done = run_concepts(work, moved, "--dry-run", "--quiet", "host")
    assert planned(done.stdout) == {"total": 0}


def test_another_text_of_the_clone_makes_stale(made):
    work, clone = made
    text = (clone / "prompts/few_shots.txt").read_text()
    (clone / "prompts/few_shots.txt").write_text(text + "\n")
    done = run_concepts(work, clone, "--dry-run", "--quiet", "host")
    (clone / "prompts/few_shots.txt").write_text(text)
    assert planned(done.stdout) == {"concepts": 2, "total": 2}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generation.few_shots", "prompts/few_shot.txt"),
        ("generation.prompt_template", "r.yaml"),
        ("model.path", "tiny"),
    ],
)
def test_a_missing_file_is_refused_although_all_is_made(made, key, value):
    work, clone = made
    section, name = key.split(".")
    (work / "typo.yaml").write_text(yaml.safe_dump({section: {name: value}}))
    done = run_concepts(work, clone, "typo.yaml", "--dry-run")
    assert done.returncode == 1, done.stdout[-3000:]
    assert f"configuration: '{key}' is '{value}'; there is no such " in done.stdout
    assert "Job stats" not in done.stdout
    assert "Traceback" not in done.stdout


def test_the_users_own_file_is_taken_in_place_of_the_workflows(made):
    work, clone = made
    own = work / "prompts/few_shots.txt"
    own.parent.mkdir()
    own.write_text("this is no few-shot file\n")
    try:
        done = run_concepts(work, clone)
    finally:
        own.unlink()
        own.parent.rmdir()
    assert done.returncode == 1
    assert "prompts/few_shots.txt" in done.stdout
    assert "selfalign: error: " in done.stdout, done.stdout[-3000:]


def test_a_home_directory_in_a_path_is_the_home_directory(tmp_path):
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "mine.yaml").write_text(
        yaml.safe_dump({**FEW, "paths": {"results": "~/results", "downloads": "$HOME/down"}})
    )
    arguments = ("-s", str(ROOT / "Snakefile"), "--configfile", "mine.yaml", "--until", "fetch_package")
    done = snakemake(work, *arguments, HOME=str(home))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (home / "down/packages/toolz-1.0.0.whl").exists()
    assert (home / "results/default/logs/fetch_package").is_dir()
    assert {path.name for path in work.iterdir()} == {"mine.yaml", ".snakemake"}
    # On the command line, where no shell expands it.
    done = snakemake(
        work, *arguments[:2], "-n", "--config", 'paths={"results": "$NOT_SET_HERE/x"}', HOME=str(home)
    )
    assert done.returncode == 1
    assert (
        "'paths.results' is '$NOT_SET_HERE/x'; the environment variable NOT_SET_HERE is not set"
        in done.stdout
    )
    assert "Traceback" not in done.stdout


def test_a_key_that_stands_twice_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("run: a\nseeds:\n  count: 3\n  count: 4\n")
    done = snakemake(tmp_path, "-s", str(ROOT / "Snakefile"), "-n", "--configfile", "mine.yaml")
    assert done.returncode == 1
    assert re.search(
        r"configuration \S*mine\.yaml: key 'seeds\.count' is repeated, in lines 3 and 4", done.stdout
    )
    assert "Traceback" not in done.stdout


def test_a_repository_host_is_refused_in_words(tmp_path):
    subprocess.run(["git", "init", "-q", "r"], cwd=tmp_path, check=True)
    (tmp_path / "r/Snakefile").write_text((ROOT / "Snakefile").read_text())
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "add", "."], cwd=tmp_path / "r", check=True)
    subprocess.run(["git", *author, "commit", "-qm", "x"], cwd=tmp_path / "r", check=True)
    text = MODULE.format(snakefile="", config="{}", prefix="").replace(
        'snakefile: ""', 'snakefile: gitfile("r", path="Snakefile", ref="HEAD")'
    )
    (tmp_path / "Snakefile").write_text(text)
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 1
    assert "install it (make setup) and give the path of the Snakefile in the clone" in (done.stdout)
