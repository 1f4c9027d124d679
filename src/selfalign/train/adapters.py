"""LoRA and QLoRA: adapters on a frozen base model (Hu et al. 2021, arXiv:2106.09685; Dettmers et al. 2023, arXiv:2305.14314)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from selfalign.core.checkpoint import ADAPTER_CONFIG
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import read_json, write_json


def check_adapter(config: TrainingConfig, base: str | Path) -> None:
    """Check the configuration of an adapter against the model, without loading the model.

    Args:
        config: training configuration with ``method`` ``lora`` or ``qlora``.
        base: checkpoint directory of the base model.

    Raises:
        ConfigError: a target module is no linear layer of the model, or QLoRA is configured without a GPU or without
            bitsandbytes.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    if config.method == "qlora":
        if not torch.cuda.is_available():
            raise ConfigError("training.method: 'qlora' requires a GPU, and none is visible; use 'lora'")
        if importlib.util.find_spec("bitsandbytes") is None:
            raise ConfigError(
                "training.method: 'qlora' requires bitsandbytes, which is not installed; "
                "install it (pip install bitsandbytes) or use 'lora'"
            )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    known = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }
    unknown = sorted(set(config.lora.target_modules) - known)
    if unknown:
        raise ConfigError(
            f"training.lora.target_modules: the model in {base} has no linear layer {unknown[0]!r}; "
            f"expected some of {', '.join(sorted(known))}"
        )


def quantization(config: TrainingConfig) -> Any:
    """Return how to quantize the weights of the base model: to 4-bit NormalFloat for QLoRA, otherwise None.

    Args:
        config: training configuration.
    """
    if config.method != "qlora":
        return None
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if config.precision == "bfloat16" else torch.float32,
    )


def add_adapter(model: Any, config: TrainingConfig) -> Any:
    """Freeze a model and return it with a new adapter, whose weights are float32 (a ``PeftModel``).

    Args:
        model: the base model.
        config: training configuration.
    """
    import peft

    if config.method == "qlora":
        model = peft.prepare_model_for_kbit_training(
            model,
            use_gradient_checkpointing=config.gradient_checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
    lora = config.lora
    return peft.get_peft_model(
        model,
        peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.r,
            lora_alpha=lora.lora_alpha,
            lora_dropout=lora.lora_dropout,
            target_modules=lora.target_modules or "all-linear",
        ),
    )


def finish_adapter(directory: Path, title: str) -> None:
    """Make a saved adapter independent of where it was trained: name its base model, and sort its target modules.

    Args:
        directory: directory of the adapter.
        title: name of the base model.
    """
    config = read_json(directory / ADAPTER_CONFIG)
    config["base_model_name_or_path"] = title
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # saved from a set, in arbitrary order
    write_json(directory / ADAPTER_CONFIG, config)
    (directory / "README.md").unlink(missing_ok=True)  # peft's own card


def merge_adapter(model: Any, adapter: Path) -> Any:
    """Return a model with the weights of an adapter added to its own.

    Args:
        model: the base model, unquantized; it is changed.
        adapter: directory of the adapter.
    """
    import peft

    return peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
