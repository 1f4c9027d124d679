"""The definition of a benchmark: one YAML file each, in ``definitions/``.

A new version of a dataset, another prompt or another stop string is an edit there, and no code.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import Field, model_validator

from selfalign.core.config.base import Section, validate_section
from selfalign.core.errors import ConfigError
from selfalign.core.hashing import text_sha256

Format = Literal["humaneval", "evalplus", "mbpp", "evoeval", "livecodebench", "ds1000"]
Scoring = Literal[
    "check_function", "evalplus_humaneval", "evalplus_mbpp", "evoeval", "livecodebench", "ds1000"
]

SHA256 = "^[0-9a-f]{64}$"


class DataFile(Section):
    """One file of a version. Nothing is scored on data whose checksum is not known beforehand."""

    file: str = Field(description="Its name, in a local directory or among our downloads.")
    url: str = Field(description="Where it is downloaded from.")
    package: str | None = Field(
        default=None, description="The installed Python package that holds it, and where."
    )
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="SHA-256 of its content, uncompressed."
    )
    archive_sha256: str | None = Field(
        default=None,
        pattern=SHA256,
        description="SHA-256 of the compressed file itself, where that of its content is not known: only the file as "
        "it is published is used then, no unpacked or newly packed one.",
    )

    @model_validator(mode="after")
    def _pinned(self) -> DataFile:
        if (self.sha256 is None) == (self.archive_sha256 is None):
            raise ValueError("a data file needs one checksum: 'sha256' or 'archive_sha256'")
        return self


class Version(Section):
    """One version of the dataset."""

    files: list[DataFile] = Field(min_length=1, description="Its files, in order.")
    tasks: int | None = Field(default=None, ge=1, description="Number of tasks; none: not known beforehand.")


class PlainLayout(Section):
    """How a base model is asked: plain completion."""

    prompt: str = Field(
        "{prompt}", description="Text that is continued; {prompt} and other fields of a task."
    )
    solution: Literal["prompt+completion", "completion", "fenced"] = Field(
        "prompt+completion",
        description="The solution in an answer: with the beginning of the program before it that the task gives, as it "
        "is, or the fenced block.",
    )
    stop: list[str] = Field(default=[], description="Texts at which an answer ends.")
    trim: bool = Field(
        default=False,
        description="Cut white space at the end of what is continued: a line break there is a token of its own, after "
        "which a model that was trained on a line break joined with the indentation does not write code.",
    )


class ChatLayout(PlainLayout):
    """How a tuned model is asked: an instruction by the template, and the beginning of the response."""

    prompt: str = Field(description="The instruction.")
    response_prefix: str = Field(
        default="", description="Beginning of the response that the model continues."
    )


class Sampling(Section):
    """How answers are sampled, unless the configuration says otherwise."""

    temperature: float = Field(default=0.0, ge=0, le=2, description="Sampling temperature; 0: greedy.")
    n: int = Field(default=1, ge=1, description="Samples a task.")
    max_new_tokens: int = Field(default=512, ge=1, description="Longest answer, in tokens.")


class Definition(Section):
    """A benchmark."""

    name: str = Field(pattern="^[a-z0-9_]+$", description="Name in the configuration and in paths.")
    title: str = Field(description="Name in tables.")
    source: str = Field(description="Where it is published.")
    citation: str = Field(description="The paper.")
    licence: str = Field(description="Licence of the data.")
    format: Format = Field(description="Layout of the records.")
    scoring: Scoring = Field(description="What makes a verdict.")
    default_version: str = Field(description="The version that is meant where none is named.")
    versions: dict[str, Version] = Field(description="The versions there are.")
    base: PlainLayout = Field(description="How a base model is asked.")
    chat: ChatLayout = Field(description="How a tuned model is asked.")
    sampling: Sampling = Field(default_factory=Sampling, description="How answers are sampled.")

    @model_validator(mode="after")
    def _default_exists(self) -> Definition:
        if self.default_version not in self.versions:
            raise ValueError(f"no version is called '{self.default_version}'")
        return self

    @property
    def has_plus(self) -> bool:
        """Whether a verdict has two parts, the original tests and the added ones."""
        return self.scoring.startswith("evalplus")

    def version_named(self, version: str | None) -> tuple[str, Version]:
        """Return the version called `version` (``v0.1.9`` or ``0.1.9``), or the default one.

        Raises:
            ConfigError: there is none of that name; names those there are.
        """
        wanted = version or self.default_version
        for name in (wanted, f"v{wanted}"):
            if name in self.versions:
                return name, self.versions[name]
        known = ", ".join(self.versions)
        raise ConfigError(f"benchmark '{self.name}' has no version '{wanted}'; it has {known}")


def available() -> list[str]:
    """Return the names of the benchmarks that come with the project, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _directory().iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_definition(name: str) -> Definition:
    """Return the definition of the benchmark called `name`.

    Raises:
        ConfigError: there is none of that name, or its file is not a definition.
    """
    return validate_section(Definition, yaml.safe_load(_text(name)), f"benchmark {name}")


def definition_sha256(name: str) -> str:
    """Return a hash of the definition, for what depends on it.

    Raises:
        ConfigError: there is none of that name.
    """
    return text_sha256(_text(name))


def _text(name: str) -> str:
    if name not in available():
        raise ConfigError(f"no benchmark is called '{name}'; there are {', '.join(available())}")
    return (_directory() / f"{name}.yaml").read_text(encoding="utf-8")


def _directory():
    return files("selfalign.benchmarks") / "definitions"
