"""What reruns when something changes: for every key of the configuration and every module of the library."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.workflow.harness import ROOT

from selfalign.core.config import Config
from selfalign.core.fingerprint import CodeFingerprints

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1500)]

# What reads what: a rule, and the rules that take its outputs.
READERS: dict[str, tuple[str, ...]] = {
    "fetch_package": ("collect_functions",),
    "collect_functions": ("deduplicate_functions", "seed_statistics", "funnel"),
    "deduplicate_functions": ("check_functions", "seed_statistics", "funnel"),
    "check_functions": ("seed_pool", "seed_statistics", "funnel"),
    "judge_functions": ("seed_pool", "seed_statistics", "funnel"),
    "seed_pool": ("seed_shard", "seed_statistics"),
    "seed_shard": ("concepts",),
    "seed_statistics": ("report",),
    "base_model": ("concepts", "instructions", "responses", "train", "benchmark_samples"),
    "concepts": ("instructions", "funnel"),
    "instructions": ("responses", "funnel"),
    "responses": ("execute", "funnel"),
    "execute": ("sanitize_raw", "funnel"),
    "sanitize_raw": ("select", "funnel"),
    "select": ("sanitize_smart", "funnel"),
    "sanitize_smart": ("decontaminate", "funnel"),
    "nontrivial_tests": ("select", "funnel"),
    "decontaminate": ("dataset", "funnel"),
    "dataset": ("train", "dataset_card", "report"),
    "dataset_card": ("report",),
    "train": ("benchmark_samples", "report"),
    "benchmark_samples": ("benchmark_score",),
    "benchmark_score": ("scores",),
    "scores": ("report",),
    "funnel": ("dataset_card", "report"),
}
# Rules that are not part of the tiny build.
ELSEWHERE = {"fetch_embedded_model"}


def since(*first: str) -> set[str]:
    """Return `first` and all that is downstream of them."""
    rules: set[str] = set()
    queue = list(first)
    while queue:
        rule = queue.pop()
        if rule not in rules:
            rules.add(rule)
            queue.extend(READERS.get(rule, ()))
    return rules - ELSEWHERE


NOTHING: set[str] = set()
DEFAULT = Config().model_dump()

# Key: (the value it is changed to, the rules that rerun). The tiny build has model.source: path.
TABLE: dict[str, tuple[Any, set[str]]] = {
    "report.kept_rows": (5, {"report"}),
    "report.dropped_rows": (1, {"report"}),
    "report.concepts": (9, {"report"}),
    "report.price_per_hour": (2.5, {"report"}),
    "model.path": ("another-model", since("base_model")),
    "seeds.count": (9, since("seed_shard")),
    "seeds.seed": (1, since("seed_pool")),
    "seeds.sources.packages": (["toolz==1.0.0", "more-itertools==10.5.0"], since("fetch_package")),
    "seeds.sources.lock": ("other.lock", NOTHING),  # the package's line in it is what counts
    "seeds.sources.licenses": (["BSD"], since("collect_functions")),
    "seeds.filters.mode": ("faithful", since("collect_functions")),
    "seeds.filters.max_lines": (23, since("collect_functions")),
    "seeds.filters.max_characters": (899, since("collect_functions")),
    "seeds.filters.min_docstring_characters": (9, since("collect_functions")),
    "seeds.contamination.against": ([], since("collect_functions")),
    "seeds.contamination.ngram": (12, since("collect_functions")),
    "seeds.contamination.exempt": ([], since("collect_functions")),
    "seeds.contamination.data": ("elsewhere", NOTHING),  # the data of the default come with a package
    "seeds.near_duplicates.threshold": (0.6, since("deduplicate_functions")),
    "seeds.near_duplicates.permutations": (128, since("deduplicate_functions")),
    "seeds.near_duplicates.ngram": (4, since("deduplicate_functions")),
    "seeds.near_duplicates.enabled": (False, since("deduplicate_functions")),
    "seeds.imports.enabled": (False, since("check_functions")),
    "seeds.imports.packages": (["toolz"], since("check_functions")),
    "seeds.types.enabled": (False, since("check_functions")),
    "seeds.types.strictness": ("basic", since("check_functions")),
    "seeds.judge.enabled": (True, since("judge_functions")),
    "generation.mode": ("faithful", since("concepts")),
    "generation.permutations": (3, since("concepts")),
    "generation.pipeline": ("direct", since("instructions")),
    "seeds.sources.take": ("snippets", since("collect_functions")),
    "generation.seed": (1, since("concepts")),
    "generation.shard_size": (2, since("seed_shard")),
    "generation.recipe": ("prompts/recipes/selfalign.yaml", since("concepts")),
    "generation.few_shots": ("few_shots.txt", since("concepts")),
    "execution.faithful": (True, since("execute")),
    "execution.scope": ("function", since("execute")),
    "execution.image": ("python:3.12", since("execute")),
    "curation.seed": (1, since("sanitize_raw")),
    "curation.responses": ("random", since("sanitize_raw")),
    "curation.quality.complete_code": (False, since("select")),
    "curation.quality.asserting_tests": (False, since("select")),
    "curation.quality.nontrivial_tests": (True, since("nontrivial_tests")),
    "curation.quality.code_languages": (["python"], since("select")),
    "curation.duplicates.exact": (["code"], since("select")),
    "curation.duplicates.per_instruction": (2, since("select")),
    "curation.duplicates.near": (["code"], since("select")),
    "curation.duplicates.threshold": (0.6, since("select")),
    "curation.duplicates.permutations": (128, since("select")),
    "curation.duplicates.ngram": (4, since("select")),
    "curation.diversify_names": (True, since("select")),
    "curation.max_rows": (3, since("select")),
    "curation.length.min_tokens": (2, since("sanitize_smart")),
    "curation.length.max_tokens": (2000, since("sanitize_smart")),
    "curation.decontamination.against": (["mbpp_plus@v0.2.0"], since("decontaminate", "dataset_card")),
    "curation.decontamination.scored": (False, NOTHING),  # what the default scores is in `against` too
    "curation.decontamination.ngram": (12, since("decontaminate")),
    "curation.decontamination.exempt": ([], since("decontaminate")),
    "curation.decontamination.data": ("elsewhere", NOTHING),
    "curation.handover.title": ("Rows", since("dataset_card")),
    "curation.handover.license": ("mit", since("dataset_card")),
    "curation.handover.test_share": (0.5, since("dataset")),
    "training.learning_rate": (1e-5, since("train")),
    "training.optimizer": ("adamw_torch", since("train")),
    "training.schedule": ("cosine", since("train")),
    "training.warmup_share": (0.1, since("train")),
    "training.epochs": (2, since("train")),
    "training.max_steps": (3, since("train")),
    "training.batch_size": (2, since("train")),
    "training.accumulation": (2, since("train")),
    "training.max_length": (600, since("train")),
    "training.batching": ("padded", since("train")),
    "training.packed_tokens": (900, since("train")),
    "training.precision": ("bfloat16", since("train")),
    "training.attention": ("eager", since("train")),
    "training.gradient_checkpointing": (True, since("train")),
    "training.loss_weighting": ("token", since("train")),
    "training.seed": (1, since("train")),
    "evaluation.base_layout": ("chat", since("benchmark_samples")),
    "evaluation.seed": (1, since("benchmark_samples")),
    "evaluation.benchmarks": ([{"name": "humaneval", "max_new_tokens": 9}], since("benchmark_samples")),
    "evaluation.models": (["tuned"], since("scores")),
    "evaluation.pass_at": ([1, 10], since("benchmark_score")),
}
for stage in ("concepts", "instructions", "responses"):
    for name, value in (
        ("num_fewshots", 1),
        ("examples", [1, 2, 3, 4, 5, 6, 7, 9]),
        ("n", 2),
        ("temperature", 0.9),
        ("max_tokens", 77),
        ("frequency_penalty", 0.9),
    ):
        TABLE[f"generation.{stage}.{name}"] = (value, since(stage))
for name in DEFAULT["execution"]["limits"]:
    TABLE[f"execution.limits.{name}"] = (DEFAULT["execution"]["limits"][name] * 2, since("execute"))

# These decide no bytes of the tiny build: all of them are changed at once, and nothing reruns.
IDLE: dict[str, Any] = {
    "log_level": "DEBUG",
    "model.name": "other",
    "curation.handover.hub": "me/rows",
    "curation.handover.private": False,
    "server.lifetime": "job",
    "server.dtype": "bfloat16",
    "server.max_model_len": 2048,
    "server.max_num_seqs": 4,
    "server.tensor_parallel": 2,
    "server.gpus": 1,
    "server.kv_cache_gib": 1,
    "server.startup_timeout_s": 10,
    "server.extra_args": ["--x"],
    "server.container.engine": "podman",
    "server.container.image": "other",
    "server.container.gpus": "none",
    "client.min_in_flight": 1,
    "client.max_in_flight": 2,
    "client.headers": {"X-A": "b"},
    "client.timeout_s": 5.0,
    "client.max_retries": 1,
    "client.backoff_first_s": 0.1,
    "client.backoff_longest_s": 3.0,
    "client.outage_s": 10.0,
    "client.max_failed_share": 0.5,
    "execution.runtime": "bubblewrap",
    "training.accelerate": "cpu",
    "training.gpus": 1,
    "training.save_steps": 7,
    "training.keep_checkpoints": 3,
    "training.min_rows": 2,
    "training.report_to": ["tensorboard"],
    "training.push_to": "someone/something",
    # Of what this configuration does not use: the judge is off, HumanEval has no ground truth of its own.
    "report.compare": ["a", "b"],
    "seeds.judge.prompt": "prompts/other.yaml",
    "seeds.judge.by": "logprobs",
    "seeds.judge.max_tokens": 7,
    "evaluation.checksums": {"ds1000/ds1000.jsonl.gz": "0" * 64},
    "evaluation.min_time_limit_s": 2.0,
    "evaluation.time_limit_factor": 5.0,
    "evaluation.generate_published": True,
    "evaluation.published_samples": [],
}

# These have no value that this build could be changed to, or all of it is another build.
OUTSIDE = {
    "run": "another run is another directory",
    "paths.results": "another directory",
    "paths.journal": "where completions are kept, not what they are",
    "paths.downloads": "another directory",
    "paths.shared": "another directory",
    "model.source": "with model.path: the sources exclude each other",
    "model.id": "as model.source",
    "model.revision": "as model.source",
    "server.kind": "an external server takes the checkpoint out of the inputs",
    "server.endpoints": "for server.kind external only",
    "seeds.sources.kind": "another kind is other units: nothing of the tiny build remains",
    "seeds.sources.path": "for another kind",
    "seeds.sources.parts": "for another kind",
    "seeds.sources.dataset": "for another kind",
    "seeds.sources.revision": "for another kind",
    "seeds.sources.files": "for another kind",
    "seeds.sources.column": "for another kind",
    "seeds.sources.opt_out": "for another kind",
    "seeds.near_duplicates.by": "nodes: rules of their own, tests/seeds",
    "generation.few_shots_url": "needs a server to fetch from",
    "generation.few_shots_sha256": "needs a server to fetch from",
}


def overlay(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merged(values: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        target = whole
        for part in path:
            target = target.setdefault(part, {})
        target[last] = value
    return whole


def leaves(values: dict[str, Any], prefix: str = ""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.fixture(scope="module")
def stale(finished, tmp_path_factory):
    """The rules that rerun for each key of the table, from one dry run a key."""
    build = finished.copy(tmp_path_factory.mktemp("keys") / "copy")
    (build.directory / "another-model").mkdir()
    (build.directory / "another-model/config.json").write_text("{}")
    shutil.copyfile(build.directory / "envs/sources.lock", build.directory / "other.lock")
    shutil.copyfile(build.directory / "prompts/few_shots.txt", build.directory / "few_shots.txt")
    with ThreadPoolExecutor(2) as threads:
        jobs = {k: threads.submit(build.stale_rules, overlay(k, v)) for k, (v, _) in TABLE.items()}
        return {key: job.result() for key, job in jobs.items()}


@pytest.mark.parametrize("key", TABLE)
def test_a_changed_key_reruns_exactly(stale, key):
    assert stale[key] == TABLE[key][1]


def test_what_decides_no_bytes_reruns_nothing(finished):
    assert finished.stale_rules(merged(IDLE)) == set()


def test_every_key_is_in_one_table():
    known = [*TABLE, *IDLE, *OUTSIDE]
    assert sorted(known) == sorted(leaves(DEFAULT))


def test_cores_and_profile_rerun_nothing(finished, tmp_path):
    profile = {"cores": 7, "default-resources": ["mem_mb=999"], "keep-going": False, "latency-wait": 9}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(profile))
    done = finished.snakemake("--dry-run", "--cores", "7", "--profile", str(tmp_path))
    assert "Nothing to be done" in done.stdout, done.stdout[-2000:]


# Module, or package of modules (the longest name that fits counts): the first rules that its change reruns.
EVERYTHING = ("fetch_package", "base_model")
MODULES: dict[str, tuple[str, ...]] = {
    "selfalign": (),  # holds the version
    "selfalign.__main__": (),
    "selfalign.cli": (),
    "selfalign.core": EVERYTHING,
    "selfalign.core.config": (),  # its effect is in the values of the parameters
    "selfalign.core.fingerprint": (),
    "selfalign.core.chat": ("sanitize_raw", "benchmark_samples"),
    "selfalign.core.checkpoint": ("base_model",),
    "selfalign.core.fences": ("collect_functions",),  # searched for a benchmark's text
    "selfalign.core.hashing": ("collect_functions", "base_model"),
    "selfalign.core.lineage": ("collect_functions",),
    "selfalign.core.lock": (),
    "selfalign.core.logs": ("train",),
    "selfalign.core.outcomes": ("collect_functions",),
    "selfalign.core.recipe": ("concepts",),
    "selfalign.benchmarks": ("collect_functions",),  # what seeds are kept apart from
    "selfalign.benchmarks.fetch": (),
    "selfalign.contamination": ("collect_functions",),
    "selfalign.client": ("concepts", "benchmark_samples"),
    "selfalign.client.progress": ("concepts",),
    "selfalign.journal": ("concepts", "benchmark_samples"),
    "selfalign.journal.tools": (),
    "selfalign.serving": ("concepts", "benchmark_samples"),
    "selfalign.serving.keeper": (),  # started by the jobs as a program of its own; decides no bytes
    "selfalign.serving.double": (),
    "selfalign.serving.canned": (),
    "selfalign.serving.faults": (),
    "selfalign.serving.pace": (),
    "selfalign.sandbox": ("execute", "benchmark_score"),
    "selfalign.sandbox.cache": ("execute",),
    "selfalign.sandbox.bridge": (),
    "selfalign.sandbox.server": (),
    "selfalign.model": ("base_model",),
    "selfalign.plan": (),
    "selfalign.doctor": (),
    "selfalign.seeds": EVERYTHING[:1],
    "selfalign.dedup": ("deduplicate_functions",),
    "selfalign.dedup.bands": ("deduplicate_functions",),
    "selfalign.seeds.check": ("check_functions",),
    "selfalign.seeds.duplicates": ("deduplicate_functions",),
    "selfalign.seeds.extract": ("collect_functions",),
    "selfalign.seeds.filters": ("collect_functions",),
    "selfalign.seeds.imports": ("check_functions",),
    "selfalign.seeds.isolate": ("collect_functions",),
    "selfalign.seeds.job": (),  # the judge is off
    "selfalign.seeds.judge": (),
    "selfalign.dedup.minhash": ("deduplicate_functions",),
    "selfalign.seeds.minhash_nodes": (),
    "selfalign.seeds.pool": ("seed_pool",),
    "selfalign.seeds.statistics": ("seed_statistics",),
    "selfalign.seeds.snippets": ("collect_functions",),
    "selfalign.seeds.steps": ("collect_functions",),
    "selfalign.seeds.typecheck": ("check_functions",),
    "selfalign.generate": ("concepts",),
    "selfalign.generate.fetch": (),
    "selfalign.execute": ("execute",),
    "selfalign.curate": ("sanitize_raw",),
    "selfalign.curate.card": ("dataset_card",),
    "selfalign.curate.decontaminate": ("decontaminate",),
    "selfalign.curate.handover": ("dataset",),
    "selfalign.curate.push": (),
    "selfalign.curate.trace": (),
    "selfalign.curate.trivial": (),  # is off
    "selfalign.train": ("train",),
    "selfalign.train.plan": (),
    "selfalign.respond": (),
    "selfalign.evaluate": ("benchmark_samples",),
    "selfalign.evaluate.canary": ("benchmark_score",),
    "selfalign.evaluate.command": (),
    "selfalign.evaluate.ground_truth": ("benchmark_score",),
    "selfalign.evaluate.harness": ("benchmark_score",),
    "selfalign.evaluate.job": ("benchmark_score",),
    "selfalign.evaluate.published": ("benchmark_score",),
    "selfalign.evaluate.reference": ("benchmark_score",),
    "selfalign.evaluate.reproduction": (),
    "selfalign.evaluate.samples": ("benchmark_score",),
    "selfalign.evaluate.score": ("benchmark_score",),
    "selfalign.evaluate.scorers": ("benchmark_score",),
    "selfalign.evaluate.scoring": ("benchmark_score",),
    "selfalign.evaluate.statistics": ("benchmark_score",),
    "selfalign.evaluate.summary": ("scores",),
    "selfalign.report": ("report",),
    "selfalign.report.__init__": ("funnel",),
    "selfalign.report.compare": (),
    "selfalign.report.funnel": ("funnel",),
}


def source_of(module: str) -> str:
    """Return a module's file, below the directory of the sources."""
    base = module.removesuffix(".__init__").replace(".", "/")
    package = module == "selfalign" or module.endswith(".__init__") or (ROOT / "src" / base).is_dir()
    return f"{base}/__init__.py" if package else f"{base}.py"


def library_modules() -> list[str]:
    """Return all modules of the library, a package by its ``__init__``."""
    paths = (path.relative_to(ROOT / "src") for path in (ROOT / "src/selfalign").rglob("*.py"))
    return sorted(".".join(path.with_suffix("").parts) for path in paths)


def first_rules(module: str) -> tuple[str, ...]:
    """Return the entry of the table for `module`."""
    name = module
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return MODULES[name]


@pytest.fixture(scope="module")
def stale_by_module(finished, tmp_path_factory):
    """The rules that rerun after an edit of each module.

    An edit reaches Snakemake through the fingerprints of the scripts alone, so of the modules that change
    the same fingerprints one is tried by a dry run.
    """
    directory = tmp_path_factory.mktemp("modules")
    builds = [finished.copy(directory / name) for name in ("one", "two")]
    scripts = sorted((builds[0].directory / "scripts").glob("[a-z]*.py"))
    sources = builds[0].directory / "src"

    def fingerprints() -> list[str]:
        code = CodeFingerprints(sources, builds[0].directory / "prints.json")
        found = [code.of(script) for script in scripts]
        code.save()
        return found

    before = fingerprints()
    alike: dict[tuple[str, ...], list[str]] = {}
    for module in library_modules():
        with edited(sources / source_of(module)):
            changed = zip(scripts, before, fingerprints(), strict=True)
            alike.setdefault(tuple(s.stem for s, old, new in changed if old != new), []).append(module)

    def dry_runs(build, share):
        for modules in share:
            with edited(build.directory / "src" / source_of(modules[0])):
                yield from dict.fromkeys(modules, build.stale_rules()).items()

    shares = [list(alike.values())[i :: len(builds)] for i in range(len(builds))]
    with ThreadPoolExecutor(len(builds)) as threads:
        jobs = [
            threads.submit(lambda b, s: dict(dry_runs(b, s)), *each)
            for each in zip(builds, shares, strict=True)
        ]
        return {module: rules for job in jobs for module, rules in job.result().items()}


@contextmanager
def edited(path: Path):
    """Add a statement to a file for a while."""
    before = path.read_text()
    path.write_text(f"{before}\nEDITED = True\n")
    yield
    path.write_text(before)


@pytest.mark.parametrize("module", library_modules())
def test_an_edited_module_reruns_exactly(stale_by_module, module):
    assert stale_by_module[module] == since(*first_rules(module))


def test_every_entry_is_of_a_module():
    names = {*library_modules(), *(each.removesuffix(".__init__") for each in library_modules())}
    assert [name for name in MODULES if name not in names] == []


def test_a_docstring_or_a_comment_reruns_nothing(finished, tmp_path):
    build = finished.copy(tmp_path / "copy")
    for module in ("core/jsonl.py", "curate/sanitize.py"):
        path = build.directory / "src/selfalign" / module
        head, sep, rest = path.read_text().partition('"""\n')
        assert sep, "the module begins with a docstring"
        path.write_text(f"{head} More of it.{sep}# A comment.\n{rest}")
    assert build.stale_rules() == set()
