"""The configuration of the evaluation stage."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import Section, Seed

DAY = r"^\d{4}-\d{2}-\d{2}$"


class BenchmarkChoice(Section):
    """A benchmark to score on. Its prompts, stop strings and sampling are in its definition."""

    name: str = Field(description="Name of its definition: humaneval, humaneval_plus, mbpp_plus, …")
    version: str | None = Field(
        default=None, description="Version of the dataset; null: the definition's default."
    )
    window: list[str] | None = Field(
        default=None, description="First and last day (ISO) of the tasks, for dated benchmarks; null: all."
    )
    n: int | None = Field(default=None, ge=1, description="Samples a task; null: the definition's.")
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Sampling temperature; 0: greedy; null: the definition's."
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, description="Longest answer, in tokens; null: the definition's."
    )

    @field_validator("window")
    @classmethod
    def _two_days(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and not (len(value) == 2 and all(re.match(DAY, day) for day in value)):
            raise ValueError("expected two days such as ['2023-05-01', '2024-03-31']")
        return value

    @model_validator(mode="after")
    def _several_need_temperature(self) -> BenchmarkChoice:
        if self.temperature == 0 and (self.n or 1) > 1:
            raise ValueError("n > 1 with temperature 0 would give the same answer n times")
        return self

    @property
    def key(self) -> str:
        """Name in paths: the benchmark's, with the version where one is named."""
        return self.name if self.version is None else f"{self.name}-{self.version}"


class EvaluationConfig(Section):
    """The benchmarks that score base and tuned model."""

    models: list[Literal["base", "tuned"]] = Field(
        default=["base", "tuned"], min_length=1, description="Which models are scored."
    )
    benchmarks: list[BenchmarkChoice] = Field(
        default=[BenchmarkChoice(name="humaneval", max_new_tokens=160)],
        min_length=1,
        description="On what; see src/selfalign/benchmarks/definitions/ for the names.",
    )
    base_layout: Literal["plain", "chat"] = Field(
        default="plain",
        description="How the base model is asked: plain completion, or as the tuned one (a released tuned model).",
    )
    seed: Seed = Field(
        default=3407, description="Task i's request is seeded with seed + i, where it is sampled."
    )
    pass_at: list[Annotated[int, Field(ge=1)]] = Field(
        default=[1],
        min_length=1,
        description="pass@k for these k, and for 1; those above the number of samples are left out.",
    )
    min_time_limit_s: float = Field(
        default=1.0, gt=0, description="Least time limit for one input of a task, in seconds of CPU time."
    )
    time_limit_factor: float = Field(
        default=4.0, gt=0, description="Time limit as a multiple of the reference solution's CPU time."
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> EvaluationConfig:
        keys = [choice.key for choice in self.benchmarks]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"benchmark '{key}' is listed twice; name different versions")
        return self
