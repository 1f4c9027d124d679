"""Configuration of the learning curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator

from selfalign.core.config.base import Section

ResponsesPerInstruction = Literal["one", "all"]


@dataclass(frozen=True)
class CurvePoint:
    """A training of the learning curve.

    Attributes:
        responses: passing responses to each instruction that are trained on.
        instructions: maximum number of instructions; None for all.
        learning_rate: peak learning rate.
    """

    responses: ResponsesPerInstruction
    instructions: int | None
    learning_rate: float

    @property
    def rows(self) -> str:
        """Name of the training rows, in paths."""
        return f"{self.responses}-{self.instructions or 'all'}"

    @property
    def key(self) -> str:
        """Name of the point, in paths."""
        return f"{self.rows}-{self.learning_rate!r}"


class LearningCurveConfig(Section):
    """Models trained on parts of the data set and scored on `self_tests`, for a chart in the report.

    Every combination of the three lists is trained; the other settings are those of `training`.
    """

    instructions: list[Annotated[int, Field(ge=0, le=10**9)]] = Field(
        default=[],
        description="Numbers of instructions to train on, from the start of the data set; 0: the whole data set. []: no "
        "learning curve.",
    )
    learning_rates: list[Annotated[float, Field(gt=0)]] = Field(
        default=[2e-5], min_length=1, description="Peak learning rates."
    )
    responses: list[ResponsesPerInstruction] = Field(
        default=["one"],
        min_length=1,
        description="Responses to each instruction. one: the row of the data set; all: all that passed their own tests and "
        "the filters of the data set.",
    )

    @field_validator("instructions", "learning_rates", "responses")
    @classmethod
    def _each_once(cls, value: list[object]) -> list[object]:
        if len(set(value)) < len(value):
            raise ValueError("expected each value once")
        return value

    def points(self) -> Iterator[CurvePoint]:
        """Yield the points of the curve."""
        for responses in self.responses:
            for rate in self.learning_rates:
                for number in self.instructions:
                    yield CurvePoint(responses, number or None, rate)
