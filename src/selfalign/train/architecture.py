"""Checks of a checkpoint before it is loaded: its weights and its dropout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_json

# Names of attention, residual and embedding dropout in StarCoder2, in Llama and Qwen (which have only the first), and
# in the GPT-2 and GPT-BigCode family.
DROPOUT_FIELDS = (
    "attention_dropout",
    "residual_dropout",
    "embedding_dropout",
    "attn_pdrop",
    "resid_pdrop",
    "embd_pdrop",
)


def check_weights(base: str | Path, tokenizer_size: int, vocab_size: int | None) -> None:
    """Check the weights of a checkpoint against its configuration, reading only the headers of the files.

    Args:
        base: checkpoint directory.
        tokenizer_size: number of tokens of the tokenizer.
        vocab_size: vocabulary size of the model; None if the configuration does not state it.

    Raises:
        DataError: a weight file is missing or truncated, the tokenizer has more tokens than the model, or the weights
            do not match the model that the configuration describes.
    """
    base = Path(base)
    index = base / "model.safetensors.index.json"
    if index.exists():
        files = [base / name for name in sorted(set(read_json(index).get("weight_map", {}).values()))]
    else:
        files = [base / "model.safetensors"]
        if not files[0].exists() and any(base.glob("pytorch_model*.bin")):
            files = []  # the older format has no header to read
    shapes: dict[str, list[int]] = {}
    for file in files:
        shapes |= _read_shapes(file)
    if vocab_size is not None and tokenizer_size > vocab_size:
        raise DataError(
            f"expected a model with room for the {tokenizer_size} tokens of its tokenizer, found {vocab_size}",
            file=base / "config.json",
            field="vocab_size",
        )
    if files:
        _check_shapes(base, index if index.exists() else files[0], shapes)


def _read_shapes(file: Path) -> dict[str, list[int]]:
    """Return the shape of every tensor in a file, by name, from its header."""
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise DataError("expected a checkpoint with weights; there is no such file", file=file)
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118 - not a dict
    except SafetensorError as error:
        raise DataError(f"expected whole weights ({error})", file=file) from error


def _check_shapes(base: Path, file: Path, found: dict[str, list[int]]) -> None:
    """Check the shapes in a checkpoint against those of the model that its configuration describes.

    Where the checkpoint lacks some names and has others instead, transformers may know them by their older names: then
    it is enough that the two have some in common.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    prefix = f"{model.base_model_prefix}."
    tied = set(model.all_tied_weights_keys)
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}
    # A checkpoint of the model without its head has the names without the prefix.
    names = {name: name if name in found else name.removeprefix(prefix) for name in wanted}
    known = {name for name in wanted if names[name] in found}
    for name in sorted(known):
        if found[names[name]] != wanted[name]:
            raise DataError(
                f"expected the weights of the model in config.json, where {name} is {wanted[name]}; "
                f"found {found[names[name]]}",
                file=file,
            )
    missing = sorted(wanted.keys() - known)
    if missing and (not known or not found.keys() - {names[name] for name in known}):
        raise DataError(
            f"expected the weights of the model in config.json; {missing[0]} is missing", file=file
        )


def zero_dropout(config: dict[str, Any], base: str | Path) -> dict[str, float]:
    """Return the model's dropout fields, set to 0.0 as in the published recipe.

    Args:
        config: content of the model's ``config.json``.
        base: checkpoint directory, for messages.

    Raises:
        ConfigError: the model has a non-zero dropout field of unknown name.
    """
    for name, value in sorted(config.items()):
        is_dropout = "drop" in name and isinstance(value, int | float)
        if is_dropout and value and name not in DROPOUT_FIELDS:
            raise ConfigError(
                f"{Path(base) / 'config.json'}: the model has {name} = {value}, a dropout field that selfalign does not know; "
                f"set it to 0 there (known: {', '.join(DROPOUT_FIELDS)})"
            )
    return {name: 0.0 for name in DROPOUT_FIELDS if name in config}
