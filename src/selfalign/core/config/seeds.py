"""The configuration of the seeds stage."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.config.paths import BundledFile, Existing, ExistingFile, ExistingPath, PathText

MAX_FILES = 100_000


def expand_range(name: str) -> list[str]:
    """Return the names that a file name with ranges in braces stands for, as a shell does: ``{00..11}``, ``{0..11}``.

    Raises:
        ValueError: a brace does not belong to a range, or a range is empty or too long.
    """
    found = re.search(r"\{(\d+)\.\.(\d+)\}", name)
    if found is None:
        if "{" in name or "}" in name:
            raise ValueError(f"expected ranges of numbers in braces, as {{000..143}}, found {name!r}")
        return [name]
    first, last = found.groups()
    if not int(first) <= int(last) < int(first) + MAX_FILES:
        raise ValueError(
            f"expected a range of at most {MAX_FILES} numbers, the smaller first, found {found[0]!r}"
        )
    # As in a shell: both ends as wide as the wider, if one begins with a zero.
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 1
    rest = expand_range(name[found.end() :])
    return [
        f"{name[: found.start()]}{number:0{width}}{end}"
        for number in range(int(first), int(last) + 1)
        for end in rest
    ]


class SourcesConfig(Section):
    """Where the source files, or the seeds themselves, come from."""

    kind: Literal["packages", "directory", "stack", "hub", "jsonl"] = Field(
        default="packages",
        description="packages: pinned wheels; directory: Python files below `path`; stack: The Stack v1 dedup; "
        "hub: a published data set of seeds; jsonl: a file of seeds, `path`.",
    )
    packages: list[str] = Field(
        default=["boltons==24.1.0", "more-itertools==10.5.0", "networkx==3.4.2", "toolz==1.0.0"],
        description="Packages of `kind: packages`, name==version, each with its hash in `lock`; the first of two near-duplicates stays.",
    )
    lock: BundledFile = Field(
        default="envs/sources.lock", description="Pinned wheels with their SHA-256, in pip's format."
    )
    licenses: list[str] = Field(
        default=["MIT", "BSD", "Apache", "ISC", "Python Software Foundation", "Unlicense", "CC0", "Zlib"],
        description="Licences that are permissive; a package whose metadata name none of them is refused.",
    )
    take: Literal["functions", "snippets"] = Field(
        default="functions",
        description="functions: documented ones; snippets: random runs of 1 to 15 lines, as in OSS-Instruct, without the "
        "filters that are about functions (the paper's ablation).",
    )
    path: ExistingPath | None = Field(
        default=None, description="Directory of Python files, or JSON Lines file of seeds."
    )
    parts: int = Field(
        default=1,
        ge=1,
        le=99_999,
        description="Shards of `kind: directory`; a file's relative path decides its shard.",
    )
    # The name of a data set, or a directory: those begin with "/" or ".".
    dataset: Annotated[PathText, Existing("directory", only="^[./]")] = Field(
        default="bigcode/the-stack-dedup",
        description="Data set on the hub, for kinds stack and hub; gated ones need your HF_TOKEN.",
    )
    revision: str | None = Field(
        default=None,
        description="Commit hash of `dataset`, for kinds stack and hub; a branch or tag (null: main) is resolved once and recorded.",
    )
    files: list[str] = Field(
        default=[],
        description="Data files within `dataset`, each one shard, for kinds stack and hub; adding files adds shards. "
        "Numbered ones as a range: data-{00000..00143}-of-00144.parquet.",
    )
    column: str = Field(
        default="content", description="Column with the source file (stack) or the seed (hub)."
    )
    opt_out: ExistingFile | None = Field(
        default=None,
        description="File of repositories (owner/name) or owners that opted out since the revision, one a line.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_branch(cls, value: Any) -> Any:
        of_hub = isinstance(value, dict) and value.get("kind") in ("stack", "hub")
        return {**value, "revision": "main"} if of_hub and value.get("revision") is None else value

    @field_validator("files")
    @classmethod
    def _expand(cls, names: list[str]) -> list[str]:
        return [each for name in names for each in expand_range(name)]

    @model_validator(mode="after")
    def _complete(self) -> SourcesConfig:
        if self.kind in ("directory", "jsonl") and not self.path:
            raise ValueError(f"kind '{self.kind}' needs `path`")
        if self.kind in ("stack", "hub") and not (self.revision and self.files):
            raise ValueError(f"kind '{self.kind}' needs `files`, and a `revision` that is not empty")
        if self.kind == "packages" and not self.packages:
            raise ValueError("kind 'packages' needs `packages`")
        return self


class FiltersConfig(Section):
    """Filters of one function at a time."""

    mode: Literal["default", "faithful"] = Field(
        default="default",
        description="faithful: the reference's substring tests; default: whole words and import statements.",
    )
    max_lines: int = Field(default=24, ge=1, description="Longest seed, in lines; the reference's is 150.")
    max_characters: int | None = Field(
        default=900, ge=1, description="Longest seed, in characters; null: no limit, as the reference."
    )
    min_docstring_characters: int = Field(
        default=10, ge=0, description="Shortest docstring, in characters, stripped."
    )


class ImportsConfig(Section):
    """Import inference, by autoimport."""

    enabled: bool = Field(default=True, description="Put the imports a function lacks before it.")
    packages: list[str] = Field(
        default=[],
        description="Packages besides the standard library whose import may be inferred; installed ones are not taken by chance.",
    )


class TypesConfig(Section):
    """Type checking, by basedpyright."""

    enabled: bool = Field(default=True, description="Drop functions with a type error.")
    strictness: Literal["basic", "standard", "strict"] = Field(
        default="standard", description="The checker's rule set."
    )


class NearDuplicatesConfig(Section):
    """Near-duplicates by MinHash."""

    enabled: bool = Field(default=True, description="Drop near-duplicates; exact ones always go.")
    by: Literal["memory", "nodes"] = Field(
        default="memory",
        description="memory: one job, each candidate checked exactly; nodes: datatrove's stages, a job a unit and a band.",
    )
    threshold: float = Field(
        default=0.5, gt=0, le=1, description="Jaccard similarity of the word sets from which two are one."
    )
    num_perm: int = Field(default=256, ge=16, description="Hash functions of a signature.")
    ngram: int = Field(default=5, ge=1, description="Words of a shingle.")


class JudgeConfig(Section):
    """Yes or no by the model: is the docstring enough to write the function again?"""

    enabled: bool = Field(
        default=False, description="Ask the model. Off by default: the embedded one cannot judge."
    )
    prompt: BundledFile = Field(default="prompts/judge.yaml", description="Question and examples.")
    by: Literal["answers", "logprobs"] = Field(
        default="answers",
        description="answers: the word it says; logprobs: the likelier first token, where the server gives them.",
    )
    max_new_tokens: int = Field(default=5, ge=1, description="Longest answer, in tokens.")


class SeedsConfig(Section):
    """From source files to seed functions."""

    count: int = Field(
        default=24,
        ge=1,
        description="Seeds that go on to generation: the first of the shuffled pool. Asking for more adds shards.",
    )
    seed: Seed = Field(default=3407, description="Seed of the pool's shuffle.")
    sources: SourcesConfig = Field(default_factory=SourcesConfig, description="Where they come from.")
    filters: FiltersConfig = Field(default_factory=FiltersConfig, description="Text filters.")
    contamination: ContaminationConfig = Field(
        default_factory=ContaminationConfig, description="Against which benchmarks."
    )
    near_duplicates: NearDuplicatesConfig = Field(
        default_factory=NearDuplicatesConfig, description="Near-duplicates."
    )
    imports: ImportsConfig = Field(default_factory=ImportsConfig, description="Import inference.")
    types: TypesConfig = Field(default_factory=TypesConfig, description="Type checking.")
    judge: JudgeConfig = Field(default_factory=JudgeConfig, description="The model's judgement.")
