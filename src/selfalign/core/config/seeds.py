"""Configuration of the seeds stage."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from selfalign.core.config.base import MAX_JOBS, NGram, NumPerm, Section, Seed, Similarity
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.config.paths import BundledFile, Existing, ExistingFile, ExistingPath, PathText


def expand_range(name: str) -> list[str]:
    """Return the names that a file name with ranges in braces stands for, as a shell does: ``{00..11}``, ``{0..11}``.

    Args:
        name: file name.

    Raises:
        ValueError: a brace does not belong to a range, or a range is empty or too long.
    """
    found = re.search(r"\{(\d+)\.\.(\d+)\}", name)
    if found is None:
        if "{" in name or "}" in name:
            raise ValueError(f"expected ranges of numbers in braces, as {{000..143}}, found {name!r}")
        return [name]
    first, last = found.groups()
    rest = expand_range(name[found.end() :])
    if not int(first) <= int(last) < int(first) + MAX_JOBS // len(rest):
        raise ValueError(f"expected at most {MAX_JOBS} files, the smaller number first, found {name!r}")
    # As in a shell: both ends as wide as the wider, if one begins with a zero.
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width = max(len(first), len(last)) if padded else 1
    return [
        f"{name[: found.start()]}{number:0{width}}{end}"
        for number in range(int(first), int(last) + 1)
        for end in rest
    ]


def expand_files(names: list[str]) -> list[str]:
    """Return the file names that some names with ranges in braces stand for, see :func:`expand_range`.

    Args:
        names: file names, with or without ranges.

    Raises:
        ValueError: a range is malformed, or there are too many files.
    """
    expanded = [each for name in names for each in expand_range(name)]
    if len(expanded) > MAX_JOBS:
        raise ValueError(f"expected at most {MAX_JOBS} files, found {len(expanded)}")
    return expanded


DataFiles = Annotated[list[str], AfterValidator(expand_files)]
# The name of a data set on the hub, or a directory: those begin with "/" or ".".
DatasetName = Annotated[PathText, Existing("directory", only="^[./]")]


class SourcesConfig(Section):
    """Source files, or published seeds."""

    kind: Literal["packages", "directory", "stack", "hub", "jsonl"] = Field(
        default="packages",
        description="packages: pinned wheels; directory: Python files in `path` and its subdirectories; "
        "stack: The Stack v1 "
        "dedup; hub: a published data set of seeds; jsonl: a JSON Lines file of seeds, `path`.",
    )
    packages: list[str] = Field(
        default=[
            "boltons==24.1.0",
            "more-itertools==10.5.0",
            "networkx==3.4.2",
            "toolz==1.0.0",
            "algorithms==1.0.1",
            "dask==2026.8.0",
            "funcy==2.1",
            "mpmath==1.4.1",
            "nltk==3.10.4",
            "openpyxl==3.1.5",
        ],
        description="Packages for `kind: packages`, as name==version, each with its hash in `lock`. Of "
        "near-duplicates, the one in the earlier package is kept.",
    )
    lock: BundledFile = Field(
        default="envs/sources.lock", description="Requirements file with the SHA-256 of every wheel."
    )
    licenses: list[str] = Field(
        default=["MIT", "BSD", "Apache", "ISC", "Python Software Foundation", "Unlicense", "CC0", "Zlib"],
        description="Accepted licences; a package whose metadata contains none of them is refused.",
    )
    take: Literal["functions", "snippets"] = Field(
        default="functions",
        description="functions: functions with a docstring; snippets: random spans of 1 to 15 lines, as in "
        "OSS-Instruct, "
        "without the filters for functions (an ablation of the paper).",
    )
    path: ExistingPath | None = Field(
        default=None,
        description="Directory of Python files (`kind: directory`) or JSON Lines file of seeds (`kind: jsonl`).",
    )
    parts: int = Field(
        default=1,
        ge=1,
        le=MAX_JOBS,
        description="Number of parts for `kind: directory`; files are assigned by a hash of their relative path.",
    )
    dataset: DatasetName = Field(
        default="bigcode/the-stack-dedup",
        description="Data set on the hub, for kinds stack and hub; gated data sets require HF_TOKEN.",
    )
    revision: str | None = Field(
        default=None,
        description="Commit hash of `dataset`, for kinds stack and hub; a branch or tag (null: main) is "
        "resolved once and recorded.",
    )
    files: DataFiles = Field(
        default=[],
        description="Data files of `dataset`, for kinds stack and hub; each is processed by a job of its "
        "own. Ranges are expanded: data-{00000..00143}-of-00144.parquet.",
    )
    column: str = Field(
        default="content", description="Column that holds the source file (stack) or the seed (hub)."
    )
    opt_out: ExistingFile | None = Field(
        default=None,
        description="File with one repository (owner/name) or owner per line that opted out since "
        "`revision`, for kind stack.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_branch(cls, value: Any) -> Any:
        of_hub = isinstance(value, dict) and value.get("kind") in ("stack", "hub")
        return {**value, "revision": "main"} if of_hub and value.get("revision") is None else value

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
    """Filters on individual functions."""

    mode: Literal["default", "faithful"] = Field(
        default="default",
        description="faithful: substring matching, as in the reference; default: matching of whole words "
        "and import statements.",
    )
    max_lines: int = Field(
        default=30, ge=1, description="Maximum length of a seed, in lines (reference: 150)."
    )
    max_characters: int | None = Field(
        default=800, ge=1, description="Maximum length of a seed, in characters; null: no limit (reference)."
    )
    min_docstring_characters: int = Field(
        default=10, ge=0, description="Minimum length of the stripped docstring, in characters."
    )


class ImportsConfig(Section):
    """Import inference with autoimport."""

    enabled: bool = Field(default=True, description="Prepend missing imports to each function.")
    packages: list[str] = Field(
        default=[],
        description="Packages besides the standard library whose imports may be inferred; they must be in "
        "`execution.environment`.",
    )


class TypesConfig(Section):
    """Type checking with basedpyright."""

    enabled: bool = Field(default=True, description="Drop functions with a type error.")
    strictness: Literal["basic", "standard", "strict"] = Field(
        default="standard", description="Rule set of the type checker."
    )


class NearDuplicatesConfig(Section):
    """Near-duplicate detection with MinHash."""

    enabled: bool = Field(
        default=True, description="Drop near-duplicates; exact duplicates are always dropped."
    )
    by: Literal["memory", "nodes"] = Field(
        default="memory",
        description="memory: one job, in memory; nodes: the stages of datatrove, one job per source unit "
        "and per band. Both verify candidates by their exact similarity.",
    )
    threshold: Similarity = Field(
        default=0.5,
        description="Jaccard similarity of word n-grams from which two functions are near-duplicates.",
    )
    num_perm: NumPerm = 256
    ngram: NGram = 5
    operators: bool = Field(
        default=True,
        description="Compare operators too, so that functions which differ in an operator are less similar. false: words "
        "only, as in the reference.",
    )


class JudgeConfig(Section):
    """Model-based filter: is the docstring sufficient to reimplement the function?"""

    enabled: bool = Field(
        default=False,
        description="Filter functions with the model. Off by default: the embedded model is too small for it.",
    )
    prompt: BundledFile = Field(
        default="prompts/judge.yaml", description="Prompt with question and few-shot examples."
    )
    by: Literal["answers", "logprobs"] = Field(
        default="answers",
        description="answers: by the generated word; logprobs: by the likelier first token, if the server "
        "returns log-probabilities.",
    )
    max_new_tokens: int = Field(default=5, ge=1, description="Maximum number of generated tokens.")


class SeedsConfig(Section):
    """Seed functions, extracted from source files."""

    count: int = Field(
        default=480,
        ge=1,
        description="Number of seeds for generation, taken from the start of the shuffled pool. Increasing "
        "it only adds shards.",
    )
    seed: Seed = Field(default=3407, description="Random seed of the shuffle.")
    sources: SourcesConfig = Field(default_factory=SourcesConfig, description="Source files.")
    filters: FiltersConfig = Field(
        default_factory=FiltersConfig, description="Filters on individual functions."
    )
    contamination: ContaminationConfig = Field(
        default_factory=ContaminationConfig,
        description="Removal of functions that contain text of a benchmark.",
    )
    near_duplicates: NearDuplicatesConfig = Field(
        default_factory=NearDuplicatesConfig, description="Near-duplicate detection with MinHash."
    )
    imports: ImportsConfig = Field(
        default_factory=ImportsConfig, description="Import inference with autoimport."
    )
    types: TypesConfig = Field(default_factory=TypesConfig, description="Type checking with basedpyright.")
    judge: JudgeConfig = Field(default_factory=JudgeConfig, description="Model-based filter.")
