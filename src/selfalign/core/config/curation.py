"""The configuration of the curation stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.contamination import DecontaminationConfig

Part = Literal["instruction", "response", "code"]


class QualityConfig(Section):
    """Filters of one row at a time, before the selection. The reference has none of them."""

    complete_code: bool = Field(
        default=True, description="Drop code that does not parse, or has a function without a body."
    )
    asserting_tests: bool = Field(
        default=True, description="Drop tests that assert nothing, or only in functions that nothing calls."
    )
    nontrivial_tests: bool = Field(
        default=False,
        description="Drop tests that still pass when the functions return None; each is run in the sandbox.",
    )
    code_languages: list[str] = Field(
        default=[],
        description="Drop responses with a fenced block tagged otherwise, or not at all. []: any language.",
    )


class DuplicatesConfig(Section):
    """What says the same again; the first in the shuffled order stays."""

    exact: list[Part] = Field(
        default=["instruction", "response"],
        description="Parts that may not repeat, white space apart: instruction, response, code.",
    )
    per_instruction: int = Field(
        default=1, ge=1, description="Responses that one instruction may have, where `exact` names it."
    )
    near: list[Part] = Field(
        default=[], description="Parts that may not nearly repeat (MinHash): instruction, response, code."
    )
    threshold: float = Field(
        default=0.7, gt=0, le=1, description="Jaccard similarity of the word sets from which two are one."
    )
    num_perm: int = Field(default=250, ge=16, description="Hash functions of a signature.")
    ngram: int = Field(default=5, ge=1, description="Words of a shingle.")


class LengthConfig(Section):
    """Length of a training example in tokens of the base model: prompt and response."""

    min_tokens: int | None = Field(default=None, ge=1, description="Drop shorter ones; null: none.")
    max_tokens: int | None = Field(default=None, ge=1, description="Drop longer ones; null: none.")

    @model_validator(mode="after")
    def _in_order(self) -> LengthConfig:
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is more than max_tokens")
        return self

    @property
    def limited(self) -> bool:
        """Whether any length is dropped."""
        return self.min_tokens is not None or self.max_tokens is not None


class ExportConfig(Section):
    """The data set as it is handed over."""

    title: str = Field(default="Self-aligned instruction data", description="Its title, in the card.")
    license: str = Field(
        default="other", description="Licence named in the card's head, by its identifier on the hub."
    )
    test_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the rows that goes to test.jsonl instead of train.jsonl.",
    )
    hub: str | None = Field(
        default=None,
        description="Data set on the hub (owner/name) that `snakemake push_dataset` uploads to, with your HF_TOKEN; "
        "never pushed by the ordinary build. Changing it reruns nothing else.",
    )
    private: bool = Field(default=True, description="Whether that data set is made private, if it is new.")


class CurationConfig(Section):
    """Passing responses to the training set."""

    seed: Seed = Field(default=0, description="Seed of the passes' and the shuffle's generators.")
    responses: Literal["passing", "failing", "random"] = Field(
        default="passing",
        description="passing: those that pass their tests; failing, random (both): for ablations.",
    )
    quality: QualityConfig = Field(default_factory=QualityConfig, description="Filters of one row at a time.")
    duplicates: DuplicatesConfig = Field(default_factory=DuplicatesConfig, description="Repetitions.")
    diversify_names: bool = Field(
        default=False, description="Keep only one row for each list of function names in a response."
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="Most rows that the selection keeps, the first of the shuffled ones; null: all.",
    )
    length: LengthConfig = Field(default_factory=LengthConfig, description="Length of an example.")
    decontamination: DecontaminationConfig = Field(
        default_factory=DecontaminationConfig, description="Against which benchmarks, and how closely."
    )
    export: ExportConfig = Field(default_factory=ExportConfig, description="The data set.")
