"""The configuration: one pydantic model per section; schema and documented default are generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import MAX_JOBS, RUNTIME_ONLY, Section, validate_section
from selfalign.core.config.curation import CurationConfig
from selfalign.core.config.downloads import DownloadsConfig
from selfalign.core.config.evaluation import SELF_TESTS, EvaluationConfig
from selfalign.core.config.execution import ExecutionConfig
from selfalign.core.config.files import read_yaml
from selfalign.core.config.generation import GenerationConfig
from selfalign.core.config.learning_curve import LearningCurveConfig
from selfalign.core.config.model import ModelConfig
from selfalign.core.config.paths import Expanded, PathText
from selfalign.core.config.preferences import PreferencesConfig
from selfalign.core.config.reproduction import ReproductionConfig
from selfalign.core.config.rounds import MAX_ROUNDS, NextRoundConfig
from selfalign.core.config.seeds import SeedsConfig
from selfalign.core.config.serving import ClientConfig, ServerConfig
from selfalign.core.config.start import StartConfig
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError

__all__ = ["Config", "PathsConfig", "ReportConfig", "load_config", "read_config", "with_preset"]


class PathsConfig(Section):
    """Output and download directories. Relative paths are relative to the working directory."""

    results: PathText = Field(
        default="results", description="All artifacts of a run are in <results>/<run>/."
    )
    completion_cache: PathText = Field(
        default="results/completion_cache",
        description="Directory of the completion cache, shared by all runs and kept after failures.",
        json_schema_extra=RUNTIME_ONLY,
    )
    verdicts: Annotated[str, Expanded] = Field(
        default="results/verdicts.sqlite",
        description="Database of execution verdicts, shared by all runs. Must be on a local disk, since SQLite "
        "cannot lock reliably on a network file system. Empty: no cache.",
        json_schema_extra=RUNTIME_ONLY,
    )
    downloads: PathText = Field(
        default="resources",
        description="Directory of pinned downloads (package archives, models), shared by all runs.",
    )


class ReportConfig(Section):
    """Contents of the report of a run."""

    kept_rows: int = Field(
        default=300, ge=0, description="Maximum number of rows of the data set in the report."
    )
    dropped_rows: int = Field(
        default=10, ge=0, description="Maximum number of dropped rows per step and reason in the report."
    )
    concepts: int = Field(
        default=2000, ge=0, description="Maximum number of concepts in the report, by frequency."
    )
    price_per_hour: float = Field(
        default=0.0,
        ge=0,
        description="Price of one hour of the machine, for cost estimates; 0: not part of the costs.",
    )
    price_per_kwh: float = Field(
        default=0.0,
        ge=0,
        description="Price of one kWh of measured energy, in the same currency; 0: not part of the costs.",
    )
    compare: list[str] = Field(
        default=[],
        description="Names of the runs that `snakemake compare` compares; the configured run is included "
        "only if listed.",
        json_schema_extra=RUNTIME_ONLY,
    )


class Config(Section):
    """The whole configuration of the experiment. Cores, partitions and hosts belong to profiles."""

    run: str = Field(
        default="default",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of the run; its outputs are in <results>/<run>/.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Log level of the rules.", json_schema_extra=RUNTIME_ONLY
    )
    rounds: int = Field(
        default=1,
        ge=1,
        le=MAX_ROUNDS,
        description="Maximum number of rounds. In each round after the first, the model tuned in the round before generates "
        "the data, and the base model is trained on it; the outputs are in <results>/<run>/round-2/ and so on.",
    )
    next_round: NextRoundConfig = Field(
        default_factory=NextRoundConfig,
        description="Conditions for another round, and settings of later rounds; for `rounds` above 1.",
    )
    paths: PathsConfig = Field(default_factory=PathsConfig, description="Output and download directories.")
    downloads: DownloadsConfig = Field(
        default_factory=DownloadsConfig,
        description="Download sources of pinned files.",
        json_schema_extra=RUNTIME_ONLY,
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="Base-model configuration.")
    server: ServerConfig = Field(
        default_factory=ServerConfig, description="Inference server.", json_schema_extra=RUNTIME_ONLY
    )
    client: ClientConfig = Field(
        default_factory=ClientConfig,
        description="Client of the inference server.",
        json_schema_extra=RUNTIME_ONLY,
    )
    start: StartConfig = Field(
        default_factory=StartConfig, description="Start at a later stage, with rows from elsewhere."
    )
    seeds: SeedsConfig = Field(
        default_factory=SeedsConfig, description="Seed functions, extracted from source files."
    )
    generation: GenerationConfig = Field(
        default_factory=GenerationConfig, description="Generation of concepts, instructions and responses."
    )
    execution: ExecutionConfig = Field(
        default_factory=ExecutionConfig,
        description="Execution of responses with their own tests in the sandbox.",
    )
    curation: CurationConfig = Field(
        default_factory=CurationConfig, description="Sanitising, selection and export of the data set."
    )
    training: TrainingConfig = Field(
        default_factory=TrainingConfig, description="Fine-tuning of the base model."
    )
    preferences: PreferencesConfig = Field(
        default_factory=PreferencesConfig,
        description="Pairs of a preferred and a rejected response, and the training on them after the fine-tune (DPO).",
    )
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="Benchmarks for the base and the tuned model."
    )
    learning_curve: LearningCurveConfig = Field(
        default_factory=LearningCurveConfig,
        description="Models trained on parts of the data set, scored on `self_tests` and shown in the report.",
    )
    reproduction: ReproductionConfig = Field(
        default_factory=ReproductionConfig,
        description="Comparison with published figures by `snakemake reproduce`.",
    )
    report: ReportConfig = Field(default_factory=ReportConfig, description="Report of the run.")

    @property
    def records(self) -> int:
        """Number of records that the run starts with: seeds, or imported rows."""
        return self.seeds.count if self.start.count is None else self.start.count

    @model_validator(mode="after")
    def _not_too_many_shards(self) -> Config:
        shards = -(-self.records // self.generation.shard_size)
        key = "seeds.count" if self.start.count is None else "start.count"
        if shards > MAX_JOBS:
            raise ValueError(
                f"'{key}' {self.records} in shards of 'generation.shard_size' {self.generation.shard_size} makes "
                f"{shards} shards; expected at most {MAX_JOBS}"
            )
        return self

    @model_validator(mode="after")
    def _adapter_can_be_served(self) -> Config:
        unmerged = self.training.method != "full" and not self.training.lora.merge
        if unmerged and self.server.kind == "command":
            raise ValueError(
                "'training.lora.merge' is false, but 'server.kind' is 'command', which serves whole checkpoints; "
                "set 'training.lora.merge' to true, or use server.kind 'vllm' or 'container'"
            )
        return self

    @model_validator(mode="after")
    def _start_has_what_follows_needs(self) -> Config:
        stage, curation = self.start.stage, self.curation
        conflicts = {
            "generation.pipeline": (self.generation.pipeline, "concepts", stage == "concepts"),
            "curation.responses": (curation.responses, "passing", stage in ("filtered", "dataset")),
            # Its tasks need the responses that failed, as candidates.
            "curation.self_tests.share": (curation.self_tests.share, 0, stage in ("filtered", "dataset")),
            # Sanitising has removed the tests of some final rows.
            "curation.quality.asserting_tests": (curation.quality.asserting_tests, False, stage == "dataset"),
            "execution.matrix.enabled": (
                self.execution.matrix.enabled,
                False,
                stage in ("filtered", "dataset"),
            ),
            "curation.mutation.min_kill_rate": (curation.mutation.min_kill_rate, None, stage == "dataset"),
            "curation.quality.nontrivial_tests": (
                curation.quality.nontrivial_tests,
                False,
                stage == "dataset",
            ),
        }
        for key, (value, expected, concerned) in conflicts.items():
            if concerned and value != expected:
                raise ValueError(
                    f"'{key}' is {value!r}, which conflicts with 'start.stage' {stage!r}: the imported rows are not enough "
                    f"for it; set it to {expected!r}"
                )
        return self

    @model_validator(mode="after")
    def _consensus_has_its_matrix(self) -> Config:
        curation = self.curation
        generated = self.start.stage != "responses"
        if self.execution.matrix.enabled and generated and self.generation.responses.n < 2:
            raise ValueError(
                f"'execution.matrix.enabled' is true, but 'generation.responses.n' is {self.generation.responses.n}; "
                "expected at least 2 responses per instruction"
            )
        if not curation.consensus:
            return self
        if not self.execution.matrix.enabled:
            raise ValueError("'curation.consensus' is true; expected 'execution.matrix.enabled' true")
        if curation.responses != "passing":
            raise ValueError(
                f"'curation.consensus' conflicts with 'curation.responses' {curation.responses}; expected passing"
            )
        if curation.duplicates.per_instruction > 1:
            raise ValueError(
                f"'curation.consensus' keeps one response per instruction, which conflicts with "
                f"'curation.duplicates.per_instruction' {curation.duplicates.per_instruction}; expected 1"
            )
        return self

    @model_validator(mode="after")
    def _preferences_can_be_trained_on(self) -> Config:
        if not self.preferences.enabled:
            return self
        training = self.training
        problem = None
        if not self.execution.matrix.enabled:
            problem = (
                "'execution.matrix.enabled' is false; expected true, since the pairs come from the matrix"
            )
        elif self.curation.responses != "passing":
            problem = f"'curation.responses' is {self.curation.responses}; expected passing"
        elif training.method != "full":
            problem = f"'training.method' is {training.method}; expected full, since adapters are not trained on pairs"
        elif training.accelerate in ("fsdp", "zero3"):
            problem = (
                f"'training.accelerate' is {training.accelerate}; expected auto, cpu, gpu, ddp or a file, since the "
                "training on pairs does not shard its two models"
            )
        elif self.server.kind == "external" and self.evaluation.layouts.tuned:
            problem = (
                "servers of 'server.kind' external cannot be given the model trained on pairs; expected kind vllm, container "
                "or command, or 'evaluation.layouts.tuned' []"
            )
        if problem:
            raise ValueError(f"'preferences.enabled' is true, but {problem}")
        return self

    @model_validator(mode="after")
    def _self_tests_are_held_out(self) -> Config:
        if not self.curation.self_tests.share and any(
            each.name == SELF_TESTS for each in self.evaluation.benchmarks
        ):
            raise ValueError(
                f"'evaluation.benchmarks' contains {SELF_TESTS}, but 'curation.self_tests.share' is 0; expected a share "
                f"above 0 (such as 0.4), or 'evaluation.benchmarks' without {SELF_TESTS}"
            )
        return self

    @model_validator(mode="after")
    def _rounds_can_follow(self) -> Config:
        if self.rounds == 1:
            return self
        layouts = self.evaluation.layouts
        problem = None
        if all(each.name != SELF_TESTS for each in self.evaluation.benchmarks):
            problem = f"'evaluation.benchmarks' has no {SELF_TESTS}, by which rounds are compared; add it"
        elif not layouts.tuned or layouts.tuned[0] not in layouts.base:
            problem = (
                f"the base model is not evaluated in the first of 'evaluation.layouts.tuned' {layouts.tuned}; expected "
                "a layout there that is in 'evaluation.layouts.base' as well"
            )
        elif self.server.kind == "external":
            problem = "servers of 'server.kind' external cannot be given the tuned model; expected vllm, container or command"
        elif self.training.method != "full" and not self.training.lora.merge:
            problem = "'training.lora.merge' is false; expected true, since the merged model generates the next round"
        elif self.start.stage not in (None, "seeds", "concepts", "instructions"):
            problem = (
                f"'start.stage' is '{self.start.stage}', so the model generates nothing; expected null, seeds, concepts or "
                "instructions"
            )
        if problem:
            raise ValueError(f"'rounds' is {self.rounds}, but {problem}")
        return self

    @model_validator(mode="after")
    def _checkpoints_can_be_scored(self) -> Config:
        chosen, training = self.evaluation.checkpoints, self.training
        if chosen == "last":
            return self
        problem = None
        if not self.evaluation.layouts.tuned:
            problem = (
                "'evaluation.layouts.tuned' is []; expected a layout there, or 'evaluation.checkpoints' last"
            )
        elif self.server.kind == "external":
            problem = "servers of 'server.kind' external cannot be given the checkpoints; expected vllm, container or command"
        elif self.rounds > 1:
            problem = (
                f"'rounds' is {self.rounds}; expected 1, since only the tuned model of a round is scored"
            )
        elif chosen == "each_epoch" and training.max_steps > 0:
            problem = (
                f"'training.max_steps' is {training.max_steps}, so that the number of epochs is not known; expected -1, or "
                "'evaluation.checkpoints' all"
            )
        elif chosen == "each_epoch" and training.num_train_epochs <= 1:
            problem = (
                f"'training.num_train_epochs' is {training.num_train_epochs:g}, so that no epoch ends before the training; "
                "expected more than 1"
            )
        elif chosen == "all" and 0 < training.max_steps <= training.save_steps:
            problem = (
                f"'training.save_steps' is {training.save_steps} and 'training.max_steps' is {training.max_steps}, so that no "
                "checkpoint precedes the last one; expected fewer steps between checkpoints"
            )
        if problem:
            raise ValueError(f"'evaluation.checkpoints' is {chosen}, but {problem}")
        return self

    @model_validator(mode="after")
    def _learning_curve_can_be_scored(self) -> Config:
        if not self.learning_curve.instructions:
            return self
        if (
            all(each.name != SELF_TESTS for each in self.evaluation.benchmarks)
            or not self.evaluation.layouts.tuned
        ):
            raise ValueError(
                f"'learning_curve.instructions' is set, but the tuned model is not scored on {SELF_TESTS}; expected "
                f"{SELF_TESTS} in 'evaluation.benchmarks' and a layout in 'evaluation.layouts.tuned'"
            )
        if self.server.kind == "external":
            raise ValueError(
                "'learning_curve.instructions' is set, but servers of 'server.kind' external cannot be given the models of "
                "the curve; expected kind vllm, container or command"
            )
        if self.curation.consensus and "all" in self.learning_curve.responses:
            raise ValueError(
                "'learning_curve.responses' contains all, which conflicts with 'curation.consensus': it keeps one response of "
                "an instruction; expected [one]"
            )
        return self


def load_config(value: dict[str, Any]) -> Config:
    """Return a validated configuration, with defaults for absent keys.

    Args:
        value: parsed YAML.

    Raises:
        ConfigError: the message names every wrong key, its value and the allowed values.
    """
    return validate_section(Config, value)


def read_config(path: str | Path | None) -> Config:
    """Return the configuration in a YAML file, with defaults for absent keys.

    Args:
        path: the file; None: the default configuration.

    Raises:
        ConfigError: the file cannot be read or is not YAML, or has a wrong or repeated key or a wrong value.
    """
    if path is None:
        return Config()
    value = read_yaml(path)
    try:
        return load_config({} if value is None else value)
    except ConfigError as error:
        raise ConfigError(str(error).replace("configuration:", f"configuration {path}:")) from None


def with_preset(config: Mapping[str, Any], preset: str | Path) -> Config:
    """Return a configuration with the values of a preset, except its ``run``, for jobs of the same run.

    Only the run's own models have a learning curve, rounds and intermediate checkpoints, so that these are left out. The
    section ``model`` is replaced as a whole, since its keys depend on its ``source``.

    Args:
        config: the configuration.
        preset: YAML file.

    Raises:
        ConfigError: a key or value is wrong.
    """
    over = read_yaml(preset)
    merged = {key: value for key, value in config.items() if key not in ("learning_curve", "rounds")}
    if "evaluation" in merged:
        merged["evaluation"] = {
            key: value for key, value in merged["evaluation"].items() if key != "checkpoints"
        }
    for key, value in over.items():
        if key != "run":
            merged[key] = {**merged[key], **value} if isinstance(value, dict) and key != "model" else value
    return load_config(merged)
