"""Configuration of the curation stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import RUNTIME_ONLY, NGram, NumPerm, Section, Seed, Similarity
from selfalign.core.config.contamination import DecontaminationConfig

Part = Literal["instruction", "response", "code"]


class QualityConfig(Section):
    """Filters on individual rows, before the selection. The reference has none of them."""

    complete_code: bool = Field(
        default=True, description="Drop rows whose code does not parse or has a function without a body."
    )
    asserting_tests: bool = Field(
        default=True,
        description="Drop rows whose tests have no assertion, or only in functions that are never called.",
    )
    nontrivial_tests: bool = Field(
        default=True,
        description="Drop rows whose tests still pass when all functions return None, as determined in the sandbox.",
    )
    code_languages: list[str] = Field(
        default=[],
        description="Drop responses with a fenced code block of another language or without a language tag. "
        "[]: any language.",
    )


class MutationConfig(Section):
    """Mutation tests: tests of a row run on changed versions of its code, which they should reject."""

    min_kill_rate: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Drop rows whose tests reject a smaller share of the mutants of their code (all functions replaced by "
        "stubs, a changed constant, a changed comparison, a removed branch, a changed operator). 0: only add the column "
        "`test_kill_rate`; null: no mutants. Some mutants are equivalent to the original, so 1 is rarely reached.",
    )
    max_mutants: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Maximum number of mutants per row besides the stub, each a program in the sandbox.",
    )


class DuplicatesConfig(Section):
    """Deduplication. The first of several duplicates in the shuffled order is kept."""

    exact: list[Part] = Field(
        default=["instruction", "response"],
        description="Drop rows that repeat one of these parts, ignoring white space: instruction, response, code.",
    )
    per_instruction: int = Field(
        default=1,
        ge=1,
        description="Number of responses to keep per instruction, if `exact` contains instruction.",
    )
    near: list[Part] = Field(
        default=[],
        description="Drop rows with a near-duplicate (MinHash) of one of these parts: instruction, response, code.",
    )
    threshold: Similarity = Field(
        default=0.7,
        description="Jaccard similarity of word n-grams from which two texts are near-duplicates.",
    )
    num_perm: NumPerm = 250
    ngram: NGram = 5


class LengthConfig(Section):
    """Length of a training example (prompt and response) in tokens of the base model."""

    min_tokens: int | None = Field(default=None, ge=1, description="Drop shorter examples; null: no limit.")
    max_tokens: int | None = Field(default=None, ge=1, description="Drop longer examples; null: no limit.")
    fit_training: bool = Field(
        default=True,
        description="Drop examples whose prompt leaves no room for a response within training.max_length, which the "
        "training would refuse. Ignored for server.kind external, where the checkpoint may be missing until the training.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> LengthConfig:
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is more than max_tokens")
        return self

    @property
    def limited(self) -> bool:
        """Whether examples are dropped by their own length."""
        return self.min_tokens is not None or self.max_tokens is not None


class SelfTestsConfig(Section):
    """Instructions held out from training, with their tests, for the benchmark `self_tests`."""

    share: float = Field(
        default=0.45,
        ge=0,
        lt=1,
        description="Share of the instructions that is held out from training; 0: none, and no benchmark. Instructions "
        "that are near-duplicates, or whose implementations share a function name, are held out together.",
    )
    threshold: Similarity = Field(
        default=0.5,
        description="Jaccard similarity of word n-grams from which two instructions are near-duplicates.",
    )
    num_perm: NumPerm = 256
    ngram: NGram = 3
    distinct_siblings: bool = Field(
        default=True,
        description="Tests count if another response to the instruction agrees with them. true: one with a different "
        "implementation that passes them, or one with the same implementation (apart from layout, comments and "
        "docstrings) that passed different tests; false: any other response that passes them.",
    )


class ExportConfig(Section):
    """Export of the data set."""

    title: str = Field(default="Self-aligned instruction data", description="Title in the data-set card.")
    license: str = Field(
        default="other",
        description="Licence in the metadata of the data-set card, by its identifier on the hub.",
    )
    test_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the rows in test.jsonl instead of train.jsonl; 0: no test split.",
    )
    hub: str | None = Field(
        default=None,
        description="Data set on the hub (owner/name) to which `snakemake push_dataset` uploads, with your HF_TOKEN. "
        "Nothing is pushed unless that target is requested.",
        json_schema_extra=RUNTIME_ONLY,
    )
    private: bool = Field(
        default=True,
        description="Create the data set on the hub as a private one.",
        json_schema_extra=RUNTIME_ONLY,
    )


class CurationConfig(Section):
    """Sanitising, selection and export of the data set."""

    seed: Seed = Field(default=0, description="Random seed of sanitising, shuffling and splitting.")
    responses: Literal["passing", "failing", "random"] = Field(
        default="passing",
        description="passing: responses that pass their tests; failing, random (both): for ablations.",
    )
    quality: QualityConfig = Field(default_factory=QualityConfig, description="Filters on individual rows.")
    mutation: MutationConfig = Field(
        default_factory=MutationConfig,
        description="Mutation tests: tests of a row run on changed versions of its code.",
    )
    consensus: bool = Field(
        default=False,
        description="Keep the response to each instruction that agrees most with the others, by the tests that each passes "
        "(dual agreement); drop instructions without agreement. Requires execution.matrix.enabled.",
    )
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig, description="Deduplication.")
    diversify_names: bool = Field(
        default=False, description="Keep one row per list of function names in the response."
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="Maximum number of rows, taken from the start of the shuffled order; null: all.",
    )
    length: LengthConfig = Field(default_factory=LengthConfig, description="Length of training examples.")
    decontamination: DecontaminationConfig = Field(
        default_factory=DecontaminationConfig,
        description="Removal of rows that contain text of a benchmark, or solve its tasks.",
    )
    self_tests: SelfTestsConfig = Field(
        default_factory=SelfTestsConfig,
        description="Instructions held out from training, with their tests, for the benchmark `self_tests`.",
    )
    export: ExportConfig = Field(default_factory=ExportConfig, description="Export of the data set.")
