"""Configuration of the preferences; settings have the names of trl's ``DPOConfig`` where those exist."""

from __future__ import annotations

from pydantic import Field, field_validator

from selfalign.core.config.base import Section
from selfalign.core.config.training import TrainingConfig


class PreferencesConfig(Section):
    """Pairs of a preferred and a rejected response, and the training on them after the fine-tune (DPO)."""

    enabled: bool = Field(
        default=False,
        description="Make pairs of responses from the matrix, and train the tuned model on them with trl's DPOTrainer. "
        "Requires execution.matrix.enabled. With `rounds` above 1, in the first round only.",
    )
    max_pairs_per_instruction: int = Field(
        default=1,
        ge=1,
        description="Maximum number of pairs per instruction: the chosen response with different rejected ones, those that "
        "pass the fewest tests first.",
    )
    beta: float = Field(
        default=0.1,
        gt=0,
        description="Strength of the penalty for deviations from the tuned model, which is the reference model.",
    )
    learning_rate: float = Field(
        default=1e-6,
        gt=0,
        description="Peak learning rate. Optimizer, schedule, warm-up, precision, maximum length, seed, checkpoints and "
        "devices are those of `training`.",
    )
    num_train_epochs: float = Field(
        default=1,
        gt=0,
        validate_default=True,  # as training.num_train_epochs
        description="Number of epochs.",
    )
    max_steps: int = Field(
        default=-1,
        ge=-1,
        description="Maximum number of optimizer steps; -1: no limit besides num_train_epochs.",
    )
    per_device_train_batch_size: int = Field(default=1, ge=1, description="Pairs in a batch of one device.")
    gradient_accumulation_steps: int = Field(
        default=4, ge=1, description="Batches whose gradients are accumulated for one optimizer step."
    )

    @field_validator("max_steps")
    @classmethod
    def _some_steps(cls, value: int) -> int:
        if value == 0:
            raise ValueError("expected at least 1, or -1 for no limit")
        return value

    def training(self, tuning: TrainingConfig) -> TrainingConfig:
        """Return the configuration of the training on pairs.

        Args:
            tuning: configuration of the fine-tune, from which the settings come that are not of this section.
        """
        own = ("learning_rate", "num_train_epochs", "max_steps")
        batches = ("per_device_train_batch_size", "gradient_accumulation_steps")
        return tuning.model_copy(
            update={"batching": "padded", **{name: getattr(self, name) for name in (*own, *batches)}}
        )
