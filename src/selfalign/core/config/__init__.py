"""The configuration: one pydantic model a section; the schema and the documented default come from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section, validate_section
from selfalign.core.config.curation import CurationConfig
from selfalign.core.config.downloads import DownloadsConfig
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.config.execution import ExecutionConfig
from selfalign.core.config.files import read_yaml
from selfalign.core.config.generation import GenerationConfig
from selfalign.core.config.model import ModelConfig
from selfalign.core.config.paths import Expanded, PathText
from selfalign.core.config.report import ReportConfig
from selfalign.core.config.reproduction import ReproductionConfig
from selfalign.core.config.seeds import SeedsConfig
from selfalign.core.config.serving import ClientConfig, ServerConfig
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError

__all__ = ["Config", "PathsConfig", "load_config", "read_config"]


# Each is a job of every stage, and Snakemake holds all jobs of a build in memory.
MOST_SHARDS = 20_000


class PathsConfig(Section):
    """Where things lie. Relative paths are relative to the working directory."""

    results: PathText = Field(
        default="results", description="Every artifact of a run lies under <results>/<run>/."
    )
    completion_cache: PathText = Field(
        default="results/completion_cache",
        description="Completion cache: every completion of a model, kept across runs, shards and failures.",
    )
    verdicts: Annotated[str, Expanded] = Field(
        default="results/verdicts.sqlite",
        description="Verdicts of programs that were run, kept across runs and shards; on a local disk: a network file "
        "system is refused. Empty: keep none.",
    )
    downloads: PathText = Field(
        default="resources", description="Pinned downloads (package archives, models), shared by all runs."
    )


class Config(Section):
    """The whole configuration. What decides bytes is here; cores, partitions and hosts are in profiles."""

    run: str = Field(
        default="default",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Name of the run: results/<run>/.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="How much the rules write to their logs. Changing it reruns nothing."
    )
    paths: PathsConfig = Field(default_factory=PathsConfig, description="Where things lie.")
    downloads: DownloadsConfig = Field(
        default_factory=DownloadsConfig,
        description="Where pinned files come from. Changing it reruns nothing.",
    )
    model: ModelConfig = Field(default_factory=ModelConfig, description="The model that teaches itself.")
    server: ServerConfig = Field(
        default_factory=ServerConfig, description="How the model is served. Changing it reruns nothing."
    )
    client: ClientConfig = Field(
        default_factory=ClientConfig, description="How requests are sent. Changing it reruns nothing."
    )
    seeds: SeedsConfig = Field(
        default_factory=SeedsConfig, description="From source files to seed functions."
    )
    generation: GenerationConfig = Field(
        default_factory=GenerationConfig, description="Seeds to concepts to instructions to responses."
    )
    execution: ExecutionConfig = Field(
        default_factory=ExecutionConfig, description="Responses run with their own tests in the sandbox."
    )
    curation: CurationConfig = Field(
        default_factory=CurationConfig, description="Passing responses to the training set."
    )
    training: TrainingConfig = Field(default_factory=TrainingConfig, description="The fine-tune.")
    evaluation: EvaluationConfig = Field(
        default_factory=EvaluationConfig, description="The benchmarks that score base and tuned model."
    )
    reproduction: ReproductionConfig = Field(
        default_factory=ReproductionConfig,
        description="What `snakemake reproduce` puts beside published figures.",
    )
    report: ReportConfig = Field(default_factory=ReportConfig, description="The report.")

    @model_validator(mode="after")
    def _not_too_many_shards(self) -> Config:
        shards = -(-self.seeds.count // self.generation.shard_size)
        if shards > MOST_SHARDS:
            raise ValueError(
                f"'seeds.count' {self.seeds.count} in shards of 'generation.shard_size' {self.generation.shard_size} makes "
                f"{shards} shards; expected at most {MOST_SHARDS}"
            )
        return self


def load_config(value: dict[str, Any]) -> Config:
    """Return `value` (parsed YAML) as a validated configuration, defaults filled in.

    Raises:
        ConfigError: names every wrong key, its value and what is allowed.
    """
    return validate_section(Config, value)


def read_config(path: str | Path | None) -> Config:
    """Return the configuration in a YAML file, defaults filled in; without a file, the default one.

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
