"""Configuration of the generation stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.paths import BundledFile


class ModeConfig(Section):
    """Few-shot prompting and sampling parameters of one generation stage."""

    num_few_shots: int = Field(default=2, ge=0, description="Number of few-shot examples in the prompt.")
    examples: list[int] = Field(
        default=[], description="Numbers of the examples in the few-shot file to draw from; []: all."
    )
    n: int = Field(default=1, ge=1, description="Samples per request.")
    temperature: float = Field(default=0.3, ge=0, le=2, description="Sampling temperature.")
    max_new_tokens: int = Field(
        default=512,
        ge=1,
        description="Maximum number of generated tokens; truncated completions are dropped.",
    )
    frequency_penalty: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="Frequency penalty of the OpenAI API, against repetition.",
    )

    @model_validator(mode="after")
    def _several_need_temperature(self) -> ModeConfig:
        if self.temperature == 0 and self.n > 1:
            raise ValueError("n > 1 with temperature 0 would give the same answer n times")
        return self


class InstructionFilterConfig(Section):
    """Filter of instructions, before responses are generated."""

    enabled: bool = Field(
        default=True,
        description="Drop instructions that name no function with its parameters, are too short, copy a few-shot example, "
        "or repeat an earlier instruction or function name. Each shard is compared with those before it.",
    )
    min_words: int = Field(default=8, ge=1, description="Minimum length of an instruction, in words.")


class GenerationConfig(Section):
    """Generation of concepts, instructions and responses."""

    prompt_template: BundledFile = Field(
        default="prompts/templates/selfalign-chatml.yaml",
        description="Prompt template: layout of the prompts, section tags, stop strings.",
    )
    few_shots: BundledFile = Field(
        default="prompts/few_shots_short.txt", description="Few-shot examples, in the published format."
    )
    few_shots_url: str | None = Field(
        default=None,
        description="URL from which to download the few-shot file instead; requires `few_shots_sha256`.",
    )
    few_shots_sha256: str | None = Field(
        default=None, pattern="^[0-9a-f]{64}$", description="SHA-256 of the file at `few_shots_url`."
    )
    pipeline: Literal["concepts", "direct"] = Field(
        default="concepts",
        description="concepts: from seed to concepts to instruction; direct: from seed to instruction, an "
        "ablation of the "
        "paper (requires a prompt template with the mode S->I).",
    )
    mode: Literal["faithful", "grouped"] = Field(
        default="grouped",
        description="Selection of few-shot examples. faithful: drawn for every record; grouped: from a few "
        "fixed permutations, which allows prefix caching.",
    )
    permutations: int = Field(
        default=2, ge=1, description="Number of fixed permutations of few-shot examples, for mode grouped."
    )
    shard_size: int = Field(default=48, ge=1, description="Records per shard, by absolute index.")
    seed: Seed = Field(
        default=3407, description="Random seed; few-shots and request of record i use seed + i."
    )
    concepts: ModeConfig = Field(
        default=ModeConfig(num_few_shots=4, temperature=0.4, max_new_tokens=32, frequency_penalty=0.4),
        description="Seed to concepts (S->C).",
    )
    instructions: ModeConfig = Field(
        default=ModeConfig(num_few_shots=8, temperature=0.3, max_new_tokens=64),
        description="Concepts to instruction (C->I).",
    )
    instruction_filter: InstructionFilterConfig = Field(
        default_factory=InstructionFilterConfig,
        description="Filter of instructions, before responses are generated.",
    )
    responses: ModeConfig = Field(
        default=ModeConfig(num_few_shots=6, n=10, temperature=0.6, max_new_tokens=96),
        description="Instruction to response (I->R).",
    )

    @model_validator(mode="after")
    def _pinned(self) -> GenerationConfig:
        if (self.few_shots_url is None) != (self.few_shots_sha256 is None):
            raise ValueError("`few_shots_url` and `few_shots_sha256` require each other")
        return self
