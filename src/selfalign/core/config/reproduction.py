"""Configuration of `snakemake reproduce`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.downloads import PinnedFile


class PublishedSamples(Section):
    """Published completions of a benchmark, to be scored again."""

    model: str = Field(description="Model that generated the completions, by its id on the hub.")
    benchmark: str = Field(description="Name of the benchmark's definition.")
    version: str = Field(description="Version of the benchmark's data.")
    samples: PinnedFile = Field(description="JSON Lines of `task_id` with `completion` or `solution`.")
    verdicts: PinnedFile | None = Field(
        default=None, description="Published verdicts on the completions, in the format of EvalPlus."
    )
    exact_floats: bool = Field(
        default=False,
        description="true: compare floating-point outputs exactly, as the EvalPlus of the verdicts of April 2024 did; "
        "false: with the tolerance of the task, or 1e-6, as current versions of EvalPlus do.",
    )

    @property
    def key(self) -> str:
        """Name in paths."""
        exact = "-exact" if self.exact_floats else ""
        return f"{self.model.replace('/', '--')}-{self.benchmark}-{self.version}{exact}"


class ReproductionConfig(Section):
    """Comparison with published figures by `snakemake reproduce`."""

    published_samples: list[PublishedSamples] = Field(
        default=[],
        description="Published completions to score again, in addition to those of presets/released-model.yaml.",
    )
    own_scores: bool = Field(
        default=False,
        description="Also include the scores of the models of this run.",
    )
    released_model: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether to generate completions with the released model as well, with the settings of "
        "presets/released-model.yaml; auto: if an NVIDIA GPU with enough memory is visible and the model is "
        "available on the "
        "hub or in its local cache.",
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> ReproductionConfig:
        keys = [samples.key for samples in self.published_samples]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"published samples '{key}' are listed twice")
        return self
