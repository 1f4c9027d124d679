"""The configuration of the evaluation stage."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import Section

DAY = r"^\d{4}-\d{2}-\d{2}$"


class BenchmarkChoice(Section):
    """A benchmark to score on. Its prompts, stop strings and sampling are in its definition."""

    name: str = Field(description="Name of its definition: humaneval, humaneval_plus, mbpp_plus, …")
    version: str | None = Field(
        default=None, description="Version of the dataset; null: the definition's default."
    )
    data: str | None = Field(
        default=None,
        description="Local data file, or a directory that holds it ({shared} stands for paths.shared); "
        "null: installed package or download.",
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


class PublishedSamples(Section):
    """Samples that somebody published, to be scored again by `snakemake reproduce`.

    In paths, ``{shared}`` stands for ``paths.shared``.
    """

    model: str = Field(description="The model that gave the answers, by its id on the hub.")
    benchmark: str = Field(description="Name of the benchmark's definition.")
    version: str = Field(description="Version of the dataset.")
    data: str | None = Field(default=None, description="Data file or directory; null: package or download.")
    samples: str = Field(description="JSON Lines of `task_id` with `completion` or `solution`.")
    verdicts: str | None = Field(default=None, description="Their published verdicts (EvalPlus layout).")
    exact_floats: bool = Field(
        default=False,
        description="Floating-point outputs must be equal to the bit, as when these verdicts were made; "
        "false: within 1e-6, as in EvalPlus now.",
    )

    @property
    def key(self) -> str:
        """Name in paths."""
        exact = "-exact" if self.exact_floats else ""
        return f"{self.model.replace('/', '--')}-{self.benchmark}-{self.version}{exact}"


PUBLISHED = "{shared}/data/published/evalplus-starcoder2-15b-instruct-v0.1-humaneval"


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
    seed: int = Field(
        default=3407, ge=0, description="Task i's request is seeded with seed + i, where it is sampled."
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
    generate_published: bool = Field(
        default=False,
        description="`snakemake reproduce` also asks `model` itself, on `benchmarks`, and scores its answers.",
    )
    generate_released: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether `snakemake reproduce` also has the released model answer the published samples' tasks anew, "
        "as presets/released-model.yaml asks it; auto: where this process sees an NVIDIA GPU that holds it, "
        "and the hub or its cache here has it.",
    )
    published_samples: list[PublishedSamples] = Field(
        default=[
            PublishedSamples(
                model="bigcode/starcoder2-15b-instruct-v0.1",
                benchmark="humaneval_plus",
                version=version,
                data="{shared}/data/evalplus",
                samples=PUBLISHED + ".jsonl",
                verdicts=PUBLISHED + "_eval_results.json",
                exact_floats=exact_floats,
            )
            for version, exact_floats in (("v0.1.9", True), ("v0.1.9", False), ("v0.1.10", False))
        ],
        description="Published samples that `snakemake reproduce` scores again; {shared} stands for paths.shared.",
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> EvaluationConfig:
        keys = [choice.key for choice in self.benchmarks]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"benchmark '{key}' is listed twice; name different versions")
        published = [samples.key for samples in self.published_samples]
        for key in published:
            if published.count(key) > 1:
                raise ValueError(f"published samples '{key}' are listed twice")
        return self
