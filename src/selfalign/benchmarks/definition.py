"""Benchmark definitions: one YAML file per benchmark in ``definitions/``.

A new dataset version, prompt or stop string is an edit of that file and needs no code.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import Field, model_validator

from selfalign.core.config.base import Section, validate_section
from selfalign.core.config.execution import ExecutionConfig
from selfalign.core.config.files import FastSafeLoader
from selfalign.core.errors import ConfigError
from selfalign.core.hashing import text_sha256

Format = Literal[
    "humaneval",
    "evalplus",
    "mbpp",
    "evoeval",
    "livecodebench",
    "livecodebench_tests",
    "livecodebench_execution",
    "ds1000",
    "self_tests",
]
Scoring = Literal[
    "check_function",
    "evalplus_humaneval",
    "evalplus_mbpp",
    "evoeval",
    "livecodebench",
    "livecodebench_prediction",
    "ds1000",
    "self_tests",
]

SHA256 = "^[0-9a-f]{64}$"


class HubFile(Section):
    """A Parquet file of a dataset on the hub. A commit pins its content; a branch is resolved to a commit once."""

    dataset: str = Field(description="Id of the dataset, owner/name.")
    revision: str = Field(description="Commit, branch or tag.")
    path: str = Field(description="Path of the file within the repository.")


class DataFile(Section):
    """One data file of a version: pinned by its checksum or by a commit of the hub, or an artifact of the run."""

    file: str = Field(description="File name.")
    hub: HubFile | None = Field(
        default=None,
        description="Parquet file of a dataset on the hub, whose rows the workflow writes as JSON Lines, instead of a URL "
        "and a checksum. The score records the checksum of the rows.",
    )
    url: str | None = Field(default=None, description="Download URL.")
    artifact: str | None = Field(
        default=None,
        description="Path of the file within the results of the run that makes it. Its checksum is not known in advance; "
        "the score records it.",
    )
    package: str | None = Field(
        default=None,
        description="Installed Python package that holds the file, and the path in it (package:path).",
    )
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="SHA-256 of the uncompressed content."
    )
    archive_sha256: str | None = Field(
        default=None,
        pattern=SHA256,
        description="SHA-256 of the compressed file, if that of its content is not known. Only the published file is "
        "accepted then, not an unpacked or recompressed copy.",
    )

    @model_validator(mode="after")
    def _pinned(self) -> DataFile:
        checksums = [each for each in (self.sha256, self.archive_sha256) if each is not None]
        if self.hub is not None:
            if checksums or self.url or self.package or self.artifact:
                raise ValueError("a file of the hub has no checksum, URL, package or artifact")
        elif self.artifact is not None:
            if checksums or self.url or self.package:
                raise ValueError("an artifact of the run has no checksum, URL or package")
        elif len(checksums) != 1 or self.url is None:
            raise ValueError("a data file needs a URL and one checksum: 'sha256' or 'archive_sha256'")
        return self


class Version(Section):
    """One version of the dataset."""

    files: list[DataFile] = Field(min_length=1, description="Data files, in order.")
    tasks: int | None = Field(default=None, ge=1, description="Number of tasks; none: not known in advance.")


class PlainLayout(Section):
    """Prompts for plain completion."""

    prompt: str = Field(
        "{prompt}", description="Template of the prompt; {prompt} and other fields of a task are filled in."
    )
    solution: Literal["prompt+completion", "completion", "fenced", "assertion", "value"] = Field(
        "prompt+completion",
        description="Solution in a completion: the completion appended to the beginning of the program that the task "
        "gives, the completion alone, its last fenced code block, its last assertion (of LiveCodeBench's test-output "
        "prediction) or its predicted value (of LiveCodeBench's code execution).",
    )
    stop: list[str] = Field(default=[], description="Stop strings.")
    trim: bool = Field(
        default=False,
        description="Strip trailing white space from the prompt. A trailing line break would be a separate token, while "
        "models are trained on tokens that join it with the indentation that follows.",
    )


class ChatLayout(PlainLayout):
    """Prompts in a chat layout: an instruction, and the beginning of the response."""

    prompt: str = Field(description="Template of the instruction.")
    response_prefix: str = Field(
        default="", description="Template of the beginning of the response, which the model continues."
    )


class Sampling(Section):
    """Default sampling parameters, which the configuration can override."""

    temperature: float = Field(default=0.0, ge=0, le=2, description="Sampling temperature; 0: greedy.")
    n: int = Field(default=1, ge=1, description="Samples per task.")
    max_new_tokens: int = Field(default=512, ge=1, description="Maximum length of a completion, in tokens.")


class Definition(Section):
    """Definition of a benchmark."""

    name: str = Field(pattern="^[a-z0-9_]+$", description="Name in the configuration and in paths.")
    title: str = Field(description="Name in tables.")
    source: str = Field(description="Place of publication.")
    citation: str = Field(description="Paper.")
    licence: str = Field(description="Licence of the data.")
    format: Format = Field(description="Format of the records.")
    scoring: Scoring = Field(description="Scoring method.")
    environment: str = Field(
        default="numpy",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="Packages that programs can import besides the standard library: stdlib (none), build, the name of a "
        "lock file envs/programs/<name>.lock, or execution (`execution.environment` of the run).",
    )
    repairs: str | None = Field(
        default=None,
        description="Benchmark whose failed samples are the input of this one. Both have the same tasks, so that data "
        "and versions are defined there.",
    )
    default_version: str = Field(description="Version used if none is given.")
    versions: dict[str, Version] = Field(description="Available versions.")
    plain: PlainLayout = Field(description="Prompts for plain completion.")
    chat: ChatLayout = Field(description="Instructions for the chat layouts.")
    sampling: Sampling = Field(default_factory=Sampling, description="Default sampling parameters.")

    @model_validator(mode="after")
    def _default_exists(self) -> Definition:
        if self.default_version not in self.versions:
            raise ValueError(f"no version is called '{self.default_version}'")
        return self

    def environment_in(self, config: ExecutionConfig) -> str:
        """Return the name of the environment in which programs run.

        Args:
            config: configuration of the execution stage, which decides the environment of the run's own benchmarks.
        """
        return config.environment if self.environment == "execution" else self.environment

    def image_in(self, config: ExecutionConfig) -> str:
        """Return the container image in which programs run; empty: the default.

        Args:
            config: configuration of the execution stage, which decides the image of the run's own benchmarks.
        """
        return config.image if self.environment == "execution" else ""

    @property
    def has_plus(self) -> bool:
        """Whether verdicts have two parts, for the original and the added tests."""
        return self.scoring.startswith("evalplus")

    @property
    def data_name(self) -> str:
        """Name of the benchmark that defines the data: this one, or the one whose samples it repairs."""
        return self.repairs or self.name

    @property
    def scores_programs(self) -> bool:
        """Whether a solution is a whole program, instead of code to insert or a predicted value."""
        return self.scoring not in ("ds1000", "livecodebench_prediction")

    @property
    def tests_functions(self) -> bool:
        """Whether tests call one function and check its result, so that any other function can be tried."""
        return self.has_plus or self.scoring in ("check_function", "evoeval")

    @property
    def is_of_run(self) -> bool:
        """Whether the data are an artifact of the run, instead of published."""
        return any(each.artifact for version in self.versions.values() for each in version.files)

    @property
    def has_references(self) -> bool:
        """Whether the published tasks have reference solutions that can be run with their tests.

        The run's own tasks are made only of solutions that pass.
        """
        return not self.is_of_run and not self.format.startswith("livecodebench")

    def version_named(self, version: str | None) -> tuple[str, Version]:
        """Return name and content of a version.

        Args:
            version: name of the version (``v0.1.9`` or ``0.1.9``); None: the default.

        Raises:
            ConfigError: the version does not exist; the message lists the available ones.
        """
        wanted = version or self.default_version
        for name in (wanted, f"v{wanted}"):
            if name in self.versions:
                return name, self.versions[name]
        known = ", ".join(self.versions)
        raise ConfigError(f"benchmark '{self.name}' has no version '{wanted}'; it has {known}")


def available() -> list[str]:
    """Return the sorted names of the available benchmarks."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _directory().iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_definition(name: str) -> Definition:
    """Return the definition of a benchmark.

    Args:
        name: name of the benchmark.

    Raises:
        ConfigError: the benchmark does not exist, or its file is not a valid definition.
    """
    found = yaml.load(_text(name), Loader=FastSafeLoader)
    if repaired := found.get("repairs"):
        data = yaml.load(_text(repaired), Loader=FastSafeLoader)
        found = {**found, "default_version": data["default_version"], "versions": data["versions"]}
    return validate_section(Definition, found, f"benchmark {name}")


def definition_sha256(name: str) -> str:
    """Return the SHA-256 of a definition's text, including that of the benchmark whose samples it repairs.

    Args:
        name: name of the benchmark.

    Raises:
        ConfigError: the benchmark does not exist.
    """
    repaired = load_definition(name).repairs
    return text_sha256(_text(name) + (_text(repaired) if repaired else ""))


def _text(name: str) -> str:
    if name not in available():
        raise ConfigError(f"no benchmark is called '{name}'; there are {', '.join(available())}")
    return (_directory() / f"{name}.yaml").read_text(encoding="utf-8")


def _directory():
    return files("selfalign.benchmarks") / "definitions"
