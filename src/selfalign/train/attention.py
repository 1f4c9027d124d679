"""Which attention a training computes with, and one of ours for rows packed side by side.

transformers gives SDPA a mask for packed rows, so that every row's scores over all the other rows are computed
and thrown away. Where no flash-attention kernel takes the rows' bounds, SDPA row by row does without the mask; and
it lets the rows share the tokens that all of them begin with, which are then computed once.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError

ROW_BY_ROW = "sdpa_row_by_row"


def choose_attention(config: TrainingConfig, model: dict[str, Any]) -> str:
    """Return the name of the attention to load a model with, registered with transformers.

    ``auto`` is flash-attention 2 where it can be used, else SDPA if the model has it: row by row for packed rows on a CPU (on a GPU
    the bounds would have to be fetched from it in every layer), if no row is longer than the model's window.

    Args:
        model: the configuration of the checkpoint.

    Raises:
        ConfigError: rows are to be packed, and the model computes attention by code of its own, which may not keep
            them apart.
    """
    family = model["model_type"]
    if config.batching == "packed" and not _supports(family, "_supports_attention_backend"):
        raise ConfigError(
            f"training.batching: expected padded or grouped for a model of the type {family!r}, whose attention does "
            "not go through transformers' interface; found packed"
        )
    if config.attention != "auto":
        return config.attention
    if _flash_attention_works(config, family):
        return "flash_attention_2"
    if not _supports(family, "_supports_sdpa"):
        return "eager"
    window = model.get("sliding_window")
    fits = window is None or config.max_length <= window
    if config.batching == "packed" and fits and not torch.cuda.is_available():
        AttentionInterface.register(ROW_BY_ROW, attend_row_by_row)
        return ROW_BY_ROW
    return "sdpa"


def attend_row_by_row(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    position_ids: torch.Tensor,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each of the rows side by side, which are told by their positions.

    A row begins where the positions do not go on. The first row is whole; the others may begin at a position
    P > 0: then the first P tokens of the first row are theirs too, and they attend to these and to their own.

    Args:
        query: (1, heads, tokens, size of a head); `key` and `value` the same with the heads they have.
        attention_mask: None; there is nothing to mask.
        position_ids: int64, (1, tokens).

    Returns:
        (1, tokens, heads, size of a head), and None in place of the weights.
    """
    lengths, shared = rows_side_by_side(position_ids[0])
    # Split, not sliced: the gradient of a slice is as large as the whole.
    pieces = [shared, lengths[0] - shared, *lengths[1:]]
    (shared_key, *keys), (shared_value, *values) = (each.split(pieces, dim=2) for each in (key, value))
    rows = []
    for queries, own_key, own_value in zip(query.split(lengths, dim=2), keys, values, strict=True):
        mask = attention_mask
        if shared and rows:
            own = queries.shape[2]
            mask = queries.new_ones((own, shared + own), dtype=torch.bool).tril(shared)
        row_key, row_value = torch.cat([shared_key, own_key], 2), torch.cat([shared_value, own_value], 2)
        rows.append(sdpa_attention_forward(module, queries, row_key, row_value, mask, **kwargs)[0])
    return torch.cat(rows, dim=1), None


def rows_side_by_side(positions: torch.Tensor) -> tuple[list[int], int]:
    """Return the number of tokens of every row, and that of the tokens they share with the first.

    Args:
        positions: int64, (tokens,); a row begins where they do not go on.
    """
    breaks = ((positions[1:] != positions[:-1] + 1).nonzero()[:, 0] + 1).tolist()
    bounds = zip([0, *breaks], [*breaks, len(positions)], strict=True)
    return [stop - start for start, stop in bounds], int(positions[breaks[0]]) if breaks else 0


def _flash_attention_works(config: TrainingConfig, family: str) -> bool:
    usable = torch.cuda.is_available() and config.precision == "bfloat16"
    return (
        usable
        and _supports(family, "_supports_flash_attn")
        and importlib.util.find_spec("flash_attn") is not None
    )


def _supports(family: str, what: str) -> bool:
    """Return what transformers says of a family's causal language model by the class attribute `what`."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return getattr(MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[family]], what, False)
