"""The configuration of the training stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from selfalign.core.config.base import Section, Seed
from selfalign.core.config.paths import Existing, PathText


class TrainingConfig(Section):
    """The fine-tune."""

    min_rows: int = Field(
        default=4,
        ge=1,
        description="With fewer rows than this, training does not start. Changing it reruns nothing.",
    )
    learning_rate: float = Field(default=2e-5, gt=0, description="Peak learning rate (published: 1e-5).")
    optim: Literal["adafactor", "adamw_torch"] = Field(
        default="adafactor", description="The optimizer (published: adafactor)."
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup"] = Field(
        default="linear", description="How the learning rate goes (published: linear)."
    )
    warmup_ratio: float = Field(
        default=0.05, ge=0, lt=1, description="Share of the steps that warm up (published: 0.05)."
    )
    num_train_epochs: float = Field(
        default=1,
        gt=0,
        validate_default=True,  # as read from a file it is 1.0, and the two would name different trainings
        description="Times every row is seen (published: 4).",
    )
    max_steps: int = Field(
        default=8, ge=-1, description="Optimizer steps at most; -1: as many as the epochs have."
    )
    per_device_train_batch_size: int = Field(
        default=1, ge=1, description="Rows a device computes at once (published: 1)."
    )
    gradient_accumulation_steps: int = Field(
        default=4,
        ge=1,
        description="Batches whose gradients are accumulated for one optimizer step (published: 64).",
    )
    max_length: int = Field(
        default=640, ge=16, description="Tokens of a row; what is longer is cut (published: 1280)."
    )
    batching: Literal["padded", "grouped", "packed"] = Field(
        default="packed",
        description="How a step's rows are cut into batches, which changes its speed and not its gradient. "
        "padded: per_device_train_batch_size rows padded to the longest (published); grouped: rows of similar length together; "
        "packed: whole rows side by side without padding, none sees another; on a CPU with attention auto, what all "
        "rows of a batch begin with is computed once.",
    )
    packed_tokens: int = Field(
        default=1024, ge=16, description="Tokens of a batch that is packed (at least the longest row's)."
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Type of the weights and the computation (published: bfloat16)."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        default="auto",
        description="auto: flash-attention 2 where it is installed and the model, precision and device allow it, "
        "else sdpa, which on a CPU takes packed rows one by one.",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations again in the backward pass: less memory, more time."
    )
    loss_weighting: Literal["example", "token"] = Field(
        default="example",
        description="example: every row weighs the same in a step, as in the published run, so that short answers "
        "are learnt as well as long ones; token: every token of a response weighs the same.",
    )
    seed: Seed = Field(default=0, description="Seed of the order of the rows.")
    accelerate: Annotated[PathText, Existing("file", bundled=True, only=r"\.\w+$")] = Field(
        default="auto",
        description="The accelerate configuration: cpu, gpu, ddp, fsdp or zero3 (envs/accelerate/), or a file; "
        "auto: ddp on several GPUs, gpu on one, else cpu. Whatever the number of devices, a step has "
        "per_device_train_batch_size x gradient_accumulation_steps rows.",
    )
    gpus: int = Field(
        default=0,
        ge=0,
        description="GPUs that the training job asks for; their kind is the profile's. Changing it reruns nothing.",
    )
    save_steps: int = Field(
        default=100, ge=1, description="Steps between checkpoints to resume from. Changing it reruns nothing."
    )
    save_total_limit: int = Field(
        default=2, ge=1, description="Checkpoints kept while training runs. Changing it reruns nothing."
    )
    report_to: list[Literal["wandb", "tensorboard", "trackio"]] = Field(
        default=[], description="Trackers the metrics also go to. Changing it reruns nothing."
    )
    hub_model_id: str | None = Field(
        default=None, description="Hub repository the tuned model is pushed to. Changing it reruns nothing."
    )

    @field_validator("max_steps")
    @classmethod
    def _some_steps(cls, value: int) -> int:
        if value == 0:
            raise ValueError("expected at least 1, or -1 for as many as the epochs have")
        return value

    @property
    def decisive(self) -> dict[str, Any]:
        """The values that decide the weights: all but those that only say how a run is kept and told."""
        return {name: value for name, value in self.model_dump().items() if name not in NOT_DECISIVE}


NOT_DECISIVE = (
    "min_rows",
    "gpus",
    "save_steps",
    "save_total_limit",
    "report_to",
    "hub_model_id",
    "accelerate",
)
