"""Configuration of the training stage; settings have the names of transformers' ``TrainingArguments`` where those exist."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import RUNTIME_ONLY, Section, Seed
from selfalign.core.config.paths import Existing, PathText

# See selfalign.core.chat.
ChatLayout = Literal["own", "reference"]


class LoraConfig(Section):
    """Low-rank adapters; settings have the names of peft's ``LoraConfig`` where those exist."""

    r: int = Field(default=16, ge=1, le=512, description="Rank of the adapters.")
    lora_alpha: int = Field(
        default=32, ge=1, description="Scaling: the output of an adapter is multiplied by lora_alpha / r."
    )
    lora_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout probability of the input of an adapter."
    )
    target_modules: list[str] = Field(
        default=[],
        description="Names of the linear layers that get an adapter, such as q_proj; []: all linear layers but the "
        "output layer.",
    )
    merge: bool = Field(
        default=True,
        description="Add the adapter to the weights of the base model: model/tuned is a whole checkpoint, and "
        "model/tuned/adapter is the adapter. false: model/tuned is the adapter, which vLLM serves on top of the base "
        "model.",
    )


class TrainingConfig(Section):
    """Fine-tuning of the base model."""

    min_rows: int = Field(
        default=4,
        ge=1,
        description="Minimum number of rows; with fewer, training is refused.",
        json_schema_extra=RUNTIME_ONLY,
    )
    layout: ChatLayout = Field(
        default="own",
        description="Prompt layout of the rows, and chat template of the tuned checkpoint. own: the chat template "
        "of the base model; reference: that of the published run, for models without a chat template.",
    )
    method: Literal["full", "lora", "qlora"] = Field(
        default="full",
        description="full: all weights are trained (published); lora: only low-rank adapters are (training.lora), with "
        "peft; qlora: the same on a base model quantized to 4 bits, with bitsandbytes, on a GPU.",
    )
    lora: LoraConfig = Field(
        default_factory=LoraConfig, description="Low-rank adapters, for `method` lora and qlora."
    )
    learning_rate: float = Field(default=2e-5, gt=0, description="Peak learning rate (published: 1e-5).")
    optim: Literal["adafactor", "adamw_torch"] = Field(
        default="adafactor", description="Optimizer (published: adafactor)."
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup"] = Field(
        default="linear", description="Learning-rate schedule (published: linear)."
    )
    warmup_ratio: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the steps used for warm-up, rounded up to whole steps (published: 0.05). The first step of a "
        "warm-up has learning rate 0, so that a few steps should have none.",
    )
    num_train_epochs: float = Field(
        default=2,
        gt=0,
        validate_default=True,  # 2 and 2.0, as read from a file, would be hashed as different trainings
        description="Number of epochs (published: 4).",
    )
    max_steps: int = Field(
        default=-1,
        ge=-1,
        description="Maximum number of optimizer steps; -1: no limit besides num_train_epochs.",
    )
    per_device_train_batch_size: int = Field(
        default=1, ge=1, description="Rows in a batch of one device (published: 1)."
    )
    gradient_accumulation_steps: int = Field(
        default=4,
        ge=1,
        description="Batches whose gradients are accumulated for one optimizer step (published: 64).",
    )
    max_length: int = Field(
        default=640,
        ge=16,
        description="Maximum length of a row, in tokens; longer rows are truncated (published: 1280).",
    )
    batching: Literal["padded", "grouped", "packed"] = Field(
        default="packed",
        description="Division of the rows of a step into batches; it affects the speed but not the gradient. "
        "padded: per_device_train_batch_size rows, padded to the longest (published); grouped: the same, by "
        "similar length; "
        "packed: whole rows concatenated without padding, with attention within each row only; on a CPU "
        "with attention "
        "auto, a prefix common to all rows of a batch is computed once.",
    )
    packed_tokens: int = Field(
        default=1024,
        ge=16,
        description="Maximum number of tokens in a packed batch, or the length of the longest row if that is larger.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Data type of weights and computation (published: bfloat16)."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        default="auto",
        description="Attention implementation. auto: FlashAttention-2 if it is installed and supported by model, "
        "precision and device, else sdpa, which on a CPU processes packed rows one at a time.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Recompute activations in the backward pass, which saves memory and takes longer.",
    )
    loss_weighting: Literal["example", "token"] = Field(
        default="example",
        description="example: the loss is averaged per row and then over rows, as in the published run, so "
        "that short "
        "responses count as much as long ones; token: it is averaged over all response tokens of a step.",
    )
    seed: Seed = Field(default=0, description="Random seed of the order of rows.")
    accelerate: Annotated[PathText, Existing("file", bundled=True, only=r"\.\w+$")] = Field(
        default="auto",
        description="Configuration of accelerate: cpu, gpu, ddp, fsdp or zero3 (envs/accelerate/), or a file; "
        "auto: ddp on several GPUs, gpu on one, else cpu. Whatever the number of devices, a step has "
        "per_device_train_batch_size x gradient_accumulation_steps rows.",
        json_schema_extra=RUNTIME_ONLY,
    )
    gpus: int = Field(
        default=0,
        ge=0,
        description="Number of GPUs of the training job; their type is set in the profile.",
        json_schema_extra=RUNTIME_ONLY,
    )
    save_steps: int = Field(
        default=100, ge=1, description="Number of steps between checkpoints.", json_schema_extra=RUNTIME_ONLY
    )
    save_total_limit: int = Field(
        default=2,
        ge=1,
        description="Number of checkpoints to keep during training.",
        json_schema_extra=RUNTIME_ONLY,
    )
    peak_tflops: float | None = Field(
        default=None,
        gt=0,
        description="Peak performance of one device in TFLOP/s, to which the utilisation (mfu) in the metrics refers; "
        "null: that of the GPU for dense bfloat16, if its model is known and the precision is bfloat16, else no "
        "utilisation is reported.",
        json_schema_extra=RUNTIME_ONLY,
    )
    report_to: list[Literal["wandb", "tensorboard", "trackio"]] = Field(
        default=[],
        description="Experiment trackers to which metrics are reported, with transformers' callbacks; their packages "
        "must be installed. TensorBoard's files are in model/tensorboard/tuned (of a learning curve, in "
        "learning_curve/models/tensorboard, by point), unless TENSORBOARD_LOGGING_DIR is set.",
        json_schema_extra=RUNTIME_ONLY,
    )
    hub_model_id: str | None = Field(
        default=None,
        description="Repository on the hub to which the tuned model is pushed; null: it is not pushed.",
        json_schema_extra=RUNTIME_ONLY,
    )

    @model_validator(mode="after")
    def _adapters_fit(self) -> TrainingConfig:
        if self.method == "full":
            if self.lora != LoraConfig():
                raise ValueError(
                    "'training.lora' is set, but 'training.method' is 'full', which has no adapters; "
                    "use method 'lora' or 'qlora', or remove 'training.lora'"
                )
        elif self.accelerate in ("fsdp", "zero3"):
            raise ValueError(
                f"'training.method' {self.method!r} conflicts with 'training.accelerate' {self.accelerate!r}: the "
                "model cannot be sharded; use auto, cpu, gpu or ddp"
            )
        return self

    @field_validator("max_steps")
    @classmethod
    def _some_steps(cls, value: int) -> int:
        if value == 0:
            raise ValueError("expected at least 1, or -1 for no limit")
        return value
