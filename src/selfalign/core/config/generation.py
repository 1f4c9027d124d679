"""The configuration of the generation stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.paths import BundledFile

# The short, easy examples of our few-shot file, which the embedded model (135M parameters) can follow.
EASY = [1, 2, 3, 4, 5, 6, 7, 8]


class ModeConfig(Section):
    """Prompting and sampling of one generation stage."""

    num_few_shots: int = Field(default=2, ge=0, description="Examples in the prompt.")
    examples: list[int] = Field(
        default=[], description="Use only these examples of the few-shot file, by number; []: all."
    )
    n: int = Field(default=1, ge=1, description="Samples per request.")
    temperature: float = Field(default=0.3, ge=0, le=2, description="Sampling temperature.")
    max_new_tokens: int = Field(
        default=512, ge=1, description="Longest answer, in tokens; a cut answer is dropped."
    )
    frequency_penalty: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="Against repetition: lowers a token's chance by its uses so far.",
    )

    @model_validator(mode="after")
    def _several_need_temperature(self) -> ModeConfig:
        if self.temperature == 0 and self.n > 1:
            raise ValueError("n > 1 with temperature 0 would give the same answer n times")
        return self


class GenerationConfig(Section):
    """Seeds to concepts to instructions to responses."""

    prompt_template: BundledFile = Field(
        default="prompts/templates/selfalign-small.yaml",
        description="The prompt template: layout, tags, stop strings.",
    )
    few_shots: BundledFile = Field(
        default="prompts/few_shots.txt", description="Few-shot file in the published layout."
    )
    few_shots_url: str | None = Field(
        default=None,
        description="Fetch the few-shot file from here instead; needs `few_shots_sha256`.",
    )
    few_shots_sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="SHA-256 of the file at `few_shots_url`."
    )
    pipeline: Literal["concepts", "direct"] = Field(
        default="concepts",
        description="concepts: seed to concepts to instruction; direct: seed to instruction, the paper's ablation "
        "(the prompt template needs a mode S->I).",
    )
    mode: Literal["faithful", "grouped"] = Field(
        default="grouped",
        description="faithful: few-shots drawn per record; grouped: from a few fixed permutations, prefix-cache friendly.",
    )
    permutations: int = Field(
        default=2, ge=1, description="Number of fixed few-shot permutations of mode grouped."
    )
    shard_size: int = Field(default=12, ge=1, description="Records a shard, by absolute index.")
    seed: Seed = Field(default=3407, description="Record i's generator and request are seeded with seed + i.")
    concepts: ModeConfig = Field(
        default=ModeConfig(
            num_few_shots=4, examples=EASY, temperature=0.3, max_new_tokens=48, frequency_penalty=0.4
        ),
        description="S->C.",
    )
    instructions: ModeConfig = Field(
        default=ModeConfig(num_few_shots=8, examples=EASY, temperature=0.6, max_new_tokens=96),
        description="C->I.",
    )
    responses: ModeConfig = Field(
        default=ModeConfig(num_few_shots=4, examples=EASY, n=6, temperature=0.3, max_new_tokens=320),
        description="I->R.",
    )

    @model_validator(mode="after")
    def _pinned(self) -> GenerationConfig:
        if (self.few_shots_url is None) != (self.few_shots_sha256 is None):
            raise ValueError("`few_shots_url` and `few_shots_sha256` go together")
        return self
