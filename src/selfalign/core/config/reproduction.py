"""The configuration of `snakemake reproduce`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.downloads import PinnedFile


class PublishedSamples(Section):
    """Published answers to a benchmark, to be scored again."""

    model: str = Field(description="The model that gave the answers, by its id on the hub.")
    benchmark: str = Field(description="Name of the benchmark's definition.")
    version: str = Field(description="Version of its data.")
    samples: PinnedFile = Field(description="JSON Lines of `task_id` with `completion` or `solution`.")
    verdicts: PinnedFile | None = Field(
        default=None, description="Their published verdicts, as EvalPlus writes them."
    )
    exact_floats: bool = Field(
        default=False,
        description="Floating-point outputs must be equal to the bit, as when the verdicts of 2024 were made; "
        "false: within 1e-6, as in EvalPlus now.",
    )

    @property
    def key(self) -> str:
        """Name in paths."""
        exact = "-exact" if self.exact_floats else ""
        return f"{self.model.replace('/', '--')}-{self.benchmark}-{self.version}{exact}"


class ReproductionConfig(Section):
    """What `snakemake reproduce` puts beside published figures."""

    published_samples: list[PublishedSamples] = Field(
        default=[],
        description="Published answers that are scored again, besides those of presets/released-model.yaml.",
    )
    own_scores: bool = Field(
        default=False,
        description="Also include the scores of this run's models, from answers generated here.",
    )
    released_model: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether the released model answers the tasks of its published answers anew, with the settings of "
        "presets/released-model.yaml; auto: if an NVIDIA GPU that holds it is visible and the hub or its local cache "
        "has it.",
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> ReproductionConfig:
        keys = [samples.key for samples in self.published_samples]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"published samples '{key}' are listed twice")
        return self
