"""What a benchmark's text in the data is: shared by the seeds and the curation stage."""

from __future__ import annotations

from pydantic import Field

from selfalign.core.config.base import Section

# Solutions that anybody writes: finding one says nothing about the task. The reference exempts the first four.
GENERIC_ONE_LINERS = (
    "return x + y",
    "return len(string)",
    "return n**2",
    "return ''.join(strings)",
    "return number % 1.0",
    "return string.swapcase()",
)


class ContaminationConfig(Section):
    """Records in which a benchmark's text is found are dropped."""

    against: list[str] = Field(
        default=["humaneval"],
        description="Benchmarks, by name or name@version; mbpp has all splits of MBPP. []: none.",
    )
    ngram: int = Field(
        default=13, ge=5, description="Words in a row, of a prompt, solution or test, that count as overlap."
    )
    exempt: list[str] = Field(
        default=list(GENERIC_ONE_LINERS),
        description="Texts so generic that finding them says nothing; they never count.",
    )


class DecontaminationConfig(ContaminationConfig):
    """Rows in which a benchmark's text is found are dropped."""

    scored: bool = Field(
        default=True, description="Also against every benchmark of `evaluation.benchmarks`, all of its tasks."
    )
