"""What reruns when a key of the configuration changes: for every key, the exact set of rules."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from tests.workflow.flow import since

from selfalign.core.config import Config
from selfalign.core.config.staleness import leaf_keys

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1500)]

DEFAULT = Config().model_dump()

# Key: (the value it is changed to, the rules that rerun). The tiny build has model.source: path.
TABLE: dict[str, tuple[Any, set[str]]] = {
    "report.kept_rows": (5, {"report"}),
    "report.dropped_rows": (1, {"report"}),
    "report.concepts": (9, {"report"}),
    "report.price_per_hour": (2.5, {"report"}),
    "report.price_per_kwh": (0.3, {"report"}),
    "model.path": ("another-model", since("base_model")),
    "seeds.count": (9, since("seed_shard")),
    "seeds.seed": (1, since("seed_pool")),
    "seeds.sources.packages": (["toolz==1.0.0", "more-itertools==10.5.0"], since("fetch_package")),
    # The rows depend on the package's line in it alone; the data-set card prints the configuration.
    "seeds.sources.lock": ("other.lock", since("dataset_card")),
    "seeds.sources.licenses": (["BSD"], since("collect_functions")),
    "seeds.filters.mode": ("faithful", since("collect_functions")),
    "seeds.filters.max_lines": (23, since("collect_functions")),
    "seeds.filters.max_characters": (899, since("collect_functions")),
    "seeds.filters.min_docstring_characters": (9, since("collect_functions")),
    "seeds.contamination.against": ([], since("collect_functions")),
    "seeds.contamination.ngram": (12, since("collect_functions")),
    "seeds.contamination.exempt": ([], since("collect_functions")),
    "seeds.near_duplicates.threshold": (0.6, since("deduplicate_functions")),
    "seeds.near_duplicates.num_perm": (128, since("deduplicate_functions")),
    "seeds.near_duplicates.ngram": (4, since("deduplicate_functions")),
    "seeds.near_duplicates.operators": (False, since("deduplicate_functions")),
    "seeds.near_duplicates.enabled": (False, since("deduplicate_functions")),
    "seeds.imports.enabled": (False, since("check_functions")),
    "seeds.imports.packages": (["toolz"], since("check_functions")),
    "seeds.types.enabled": (False, since("check_functions")),
    "seeds.types.strictness": ("basic", since("check_functions")),
    "seeds.judge.enabled": (True, since("judge_functions", "dataset_card")),
    # The judge is disabled; the data-set card prints the configuration.
    "seeds.judge.prompt": ("prompts/few_shots.txt", since("dataset_card")),  # any file
    "seeds.judge.by": ("logprobs", since("dataset_card")),
    "seeds.judge.max_new_tokens": (7, since("dataset_card")),
    "generation.mode": ("faithful", since("concepts")),
    "generation.permutations": (3, since("concepts")),
    "generation.pipeline": ("direct", since("instructions")),
    "seeds.sources.take": ("snippets", since("collect_functions")),
    "generation.seed": (1, since("concepts")),
    "generation.shard_size": (2, since("seed_shard")),
    "generation.prompt_template": ("prompts/templates/selfalign.yaml", since("concepts")),
    "generation.few_shots": ("few_shots.txt", since("concepts")),
    "generation.instruction_filter.enabled": (False, since("responses", "dataset_card")),
    "generation.instruction_filter.min_words": (7, since("filter_instructions")),
    "execution.faithful": (True, since("execute")),
    "execution.scope": ("function", since("execute")),
    "execution.image": ("python:3.12", since("execute")),
    "execution.matrix.enabled": (True, {"matrix", *since("funnel", "dataset_card")}),
    "execution.environment": ("full", {"program_environment", *since("execute")}),
    "curation.seed": (1, since("sanitize_raw")),
    "curation.responses": ("random", since("sanitize_raw")),
    "curation.quality.complete_code": (False, since("select")),
    "curation.quality.asserting_tests": (False, since("select")),
    "curation.quality.nontrivial_tests": (False, since("select")),
    "curation.mutation.min_kill_rate": (0.5, since("nontrivial_tests")),
    "curation.mutation.max_mutants": (5, since("nontrivial_tests")),
    "curation.quality.code_languages": (["python"], since("select")),
    "curation.duplicates.exact": (["code"], since("select")),
    "curation.duplicates.per_instruction": (2, since("select")),
    "curation.duplicates.near": (["code"], since("select")),
    "curation.duplicates.threshold": (0.6, since("select")),
    "curation.duplicates.num_perm": (128, since("select")),
    "curation.duplicates.ngram": (4, since("select")),
    "curation.diversify_names": (True, since("select")),
    "curation.max_rows": (3, since("select")),
    "curation.length.min_tokens": (2, since("sanitize_smart")),
    "curation.length.max_tokens": (2000, since("sanitize_smart")),
    "curation.length.fit_training": (False, since("sanitize_smart")),
    "curation.decontamination.against": (
        ["mbpp_plus@v0.2.0"],
        {"download", *since("decontaminate", "dataset_card")},
    ),
    # The scored benchmark is in `against` as well; the data-set card prints the configuration.
    "curation.decontamination.scored": (False, since("dataset_card")),
    "curation.decontamination.ngram": (12, since("decontaminate")),
    "curation.decontamination.by_execution": (
        "report",
        {"find_solutions", "decontaminate_by_execution", *since("dataset", "funnel")},
    ),
    # No instruction is held out; the data-set card prints the configuration.
    "curation.self_tests.threshold": (0.6, since("dataset_card")),
    "curation.self_tests.num_perm": (128, since("dataset_card")),
    "curation.self_tests.ngram": (4, since("dataset_card")),
    "curation.self_tests.distinct_siblings": (False, since("dataset_card")),
    "curation.self_tests.share": (0.5, since("hold_out", "dataset_card")),
    "curation.export.title": ("Rows", since("dataset_card")),
    "curation.export.license": ("mit", since("dataset_card")),
    "curation.export.test_share": (0.5, since("dataset")),
    "training.layout": ("reference", since("sanitize_smart")),
    "training.method": ("lora", since("train")),
    "training.learning_rate": (1e-5, since("train")),
    "training.optim": ("adamw_torch", since("train")),
    "training.lr_scheduler_type": ("cosine", since("train")),
    "training.warmup_ratio": (0.1, since("train")),
    "training.num_train_epochs": (3, since("train")),
    "training.max_steps": (3, since("train")),
    "training.per_device_train_batch_size": (2, since("train")),
    "training.gradient_accumulation_steps": (2, since("train")),
    "training.max_length": (600, since("sanitize_smart")),
    "training.batching": ("padded", since("train")),
    "training.packed_tokens": (900, since("train")),
    "training.precision": ("bfloat16", since("train")),
    "training.attention": ("eager", since("train")),
    "training.gradient_checkpointing": (True, since("train")),
    "training.loss_weighting": ("token", since("train")),
    "training.seed": (1, since("train")),
    "evaluation.seed": (1, since("benchmark_samples")),
    "evaluation.benchmarks": ([{"name": "humaneval", "max_new_tokens": 9}], since("benchmark_samples")),
    "evaluation.layouts.base": (["own"], since("scores")),
    "evaluation.layouts.tuned": ([], since("scores")),
    "evaluation.pass_at": ([1, 10], since("benchmark_score")),
    "evaluation.max_reference_failures": (1, since("benchmark_score")),
    "evaluation.limits.memory_mb": (2048, since("references", "benchmark_score")),
    "evaluation.limits.check_s": (4.0, since("references", "benchmark_score")),
}
for stage in ("concepts", "instructions", "responses"):
    for name, value in (
        ("num_few_shots", 1),
        ("examples", [1, 2, 3, 4, 5, 6, 7, 9]),
        ("n", 2),
        ("temperature", 0.9),
        ("max_new_tokens", 77),
        ("frequency_penalty", 0.9),
    ):
        TABLE[f"generation.{stage}.{name}"] = (value, since(stage))
for name in DEFAULT["execution"]["limits"]:
    TABLE[f"execution.limits.{name}"] = (DEFAULT["execution"]["limits"][name] * 2, since("execute"))

# Runtime-only settings: all of them are changed at once, and nothing reruns.
IDLE: dict[str, Any] = {
    "log_level": "DEBUG",
    "model.name": "other",
    "curation.export.hub": "me/rows",
    "curation.export.private": False,
    "server.lifetime": "job",
    "server.replicas": 2,
    "server.dtype": "bfloat16",
    "server.max_model_len": 2048,
    "server.max_num_seqs": 4,
    "server.token_ids": False,
    "server.tensor_parallel": 2,
    "server.gpus": 1,
    "server.kv_cache_gib": 1,
    "server.startup_timeout_s": 10,
    "server.command": ["other", "{model}", "{port}"],
    "server.extra_args": ["--x"],
    "server.container.engine": "podman",
    "server.container.image": "other",
    "server.container.gpus": "none",
    "client.max_in_flight": 2,
    "client.headers": {"X-A": "b"},
    "client.timeout_s": 5.0,
    "client.max_retries": 1,
    "client.backoff_first_s": 0.1,
    "client.backoff_longest_s": 3.0,
    "client.retry_after_longest_s": 5.0,
    "client.outage_s": 10.0,
    "client.max_failed_share": 0.5,
    "execution.runtime": "bubblewrap",
    "training.accelerate": "cpu",
    "training.gpus": 1,
    "training.peak_tflops": 100.0,
    "training.save_steps": 7,
    "training.save_total_limit": 3,
    "training.min_rows": 2,
    "training.report_to": ["tensorboard"],
    "training.hub_model_id": "someone/something",
    "report.compare": ["a", "b"],
    "downloads.local": "prompts",  # any directory
    "downloads.mirrors": {"https://github.com/": "https://mirror.example.org/"},
    "downloads.timeout_s": 5.0,
    "downloads.attempts": 2,
}

# Settings that decide no output of the tiny build, of which all are changed at once as well: HumanEval has no ground
# truth of its own, and `reproduce` is a target of its own.
UNUSED: dict[str, Any] = {
    "evaluation.min_time_limit_s": 2.0,
    "evaluation.time_limit_factor": 5.0,
    # For other benchmarks.
    "evaluation.limits.evalplus_task_s": 70.0,
    "evaluation.limits.ds1000_s": 100.0,
    "evaluation.limits.ds1000_memory_mb": 4096,
    "evaluation.limits.livecodebench_case_s": 7.0,
    "evaluation.limits.livecodebench_task_s": 500.0,
    "evaluation.limits.livecodebench_prediction_s": 4.0,
    "learning_curve.learning_rates": [1e-4],  # without instructions there is no curve
    "learning_curve.responses": ["all"],
    # Without preferences, there are no pairs.
    "preferences.max_pairs_per_instruction": 2,
    "preferences.beta": 0.5,
    "preferences.learning_rate": 1e-4,
    "preferences.num_train_epochs": 2.0,
    "preferences.max_steps": 3,
    "preferences.per_device_train_batch_size": 2,
    "preferences.gradient_accumulation_steps": 8,
    # Of later rounds.
    "next_round.max_p_value": 0.5,
    "next_round.min_diversity": 0.5,
    "next_round.prompt_template": "prompts/templates/selfalign.yaml",
    "reproduction.own_scores": True,
    "reproduction.released_model": "always",
    "reproduction.published_samples": [],
}

# Settings with no other value for this build, or with which all of it is another build.
OUTSIDE = {
    "curation.consensus": "requires execution.matrix.enabled; see test_consensus.py",
    "preferences.enabled": "requires execution.matrix.enabled; see test_preferences.py",
    "run": "another run is another directory",
    "rounds": "needs self_tests: tests/workflow/test_rounds.py",
    "paths.results": "another directory",
    "paths.completion_cache": "where completions are kept, not what they are",
    "paths.verdicts": "where verdicts are kept, not what they are",
    "paths.downloads": "another directory",
    "model.source": "with model.path: the sources exclude each other",
    "model.id": "as model.source",
    "model.revision": "as model.source",
    "server.kind": "an external server takes the checkpoint out of the inputs",
    "server.endpoints": "for server.kind external only",
    **dict.fromkeys(
        ("start.stage", "start.dataset", "start.revision", "start.files", "start.rename", "start.count"),
        "for runs that start later: tests/workflow/test_start.py",
    ),
    "seeds.sources.kind": "another kind is other units: nothing of the tiny build remains",
    "seeds.sources.path": "for another kind",
    "seeds.sources.parts": "for another kind",
    "seeds.sources.dataset": "for another kind",
    "seeds.sources.revision": "for another kind",
    "seeds.sources.files": "for another kind",
    "seeds.sources.column": "for another kind",
    "seeds.sources.opt_out": "for another kind",
    "seeds.near_duplicates.by": "nodes: rules of their own, tests/workflow/test_duplicates.py",
    "evaluation.checkpoints": "needs a longer training: tests/workflow/test_self_tests.py",
    "learning_curve.instructions": "needs self_tests: tests/workflow/test_self_tests.py",
    "training.lora.r": "refused without training.method lora",
    "training.lora.lora_alpha": "as training.lora.r",
    "training.lora.lora_dropout": "as training.lora.r",
    "training.lora.target_modules": "as training.lora.r",
    "training.lora.merge": "as training.lora.r",
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
    assert finished.stale_rules(merged({**IDLE, **UNUSED})) == set()


def test_every_key_is_in_one_table():
    known = [*TABLE, *IDLE, *UNUSED, *OUTSIDE]
    assert sorted(known) == sorted(leaves(DEFAULT))


def test_the_marker_of_a_setting_is_true():
    marked = {key for key, runtime_only in leaf_keys() if runtime_only}
    assert set(IDLE) <= marked
    assert not marked & {*TABLE, *UNUSED}
    assert marked - set(IDLE) == {
        "paths.completion_cache",
        "paths.verdicts",
        "server.kind",
        "server.endpoints",
    }


def test_cores_and_profile_rerun_nothing(finished, tmp_path):
    profile = {"cores": 7, "default-resources": ["mem_mb=999"], "keep-going": False, "latency-wait": 9}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(profile))
    done = finished.snakemake("--dry-run", "--cores", "7", "--profile", str(tmp_path))
    assert "Nothing to be done" in done.stdout, done.stdout[-2000:]
