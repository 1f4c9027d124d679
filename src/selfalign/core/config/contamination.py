"""Configuration of the contamination checks of the seeds and the curation stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selfalign.core.config.base import Section

# Generic solutions, whose occurrence does not indicate contamination. The reference exempts the first four.
GENERIC_ONE_LINERS = (
    "return x + y",
    "return len(string)",
    "return n**2",
    "return ''.join(strings)",
    "return number % 1.0",
    "return string.swapcase()",
)


class OverlapConfig(Section):
    """What counts as an overlap with a benchmark."""

    against: list[str] = Field(
        default=["humaneval"],
        description="Benchmarks, as name or name@version; mbpp covers all splits of MBPP. []: none.",
    )
    ngram: int = Field(
        default=13,
        ge=5,
        description="Length of an overlap in words; shorter common passages are not counted.",
    )


class ContaminationConfig(OverlapConfig):
    """Records that contain text of a benchmark are dropped."""

    exempt: list[str] = Field(
        default=list(GENERIC_ONE_LINERS),
        description="Texts too generic to indicate contamination; they are never counted, here and in "
        "`curation.decontamination`.",
    )


class DecontaminationConfig(OverlapConfig):
    """Rows that contain text of a benchmark are dropped; `seeds.contamination.exempt` applies to it as well."""

    scored: bool = Field(
        default=True,
        description="Also check against every published benchmark of `evaluation.benchmarks`, all of its tasks.",
    )
    by_execution: Literal["report", "drop"] | None = Field(
        default=None,
        description="Run the functions of all rows with the tests of each scored HumanEval, HumanEval+, MBPP, MBPP+ and "
        "EvoEval, which finds renamed and paraphrased solutions. report: list the rows that solve a task, and give the scores "
        "also on the tasks that no row solves; drop: list and drop these rows; null: off.",
    )
