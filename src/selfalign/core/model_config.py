"""Model configuration of a checkpoint, as transformers reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json


def read_model_config(base: str | Path) -> dict[str, Any]:
    """Return the model configuration of a checkpoint, with transformers' defaults for absent fields.

    Args:
        base: checkpoint directory.

    Raises:
        DataError: the configuration is missing, or is not that of a causal language model that transformers supports.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    path = Path(base) / "config.json"
    if not path.exists():
        raise DataError("expected a checkpoint directory with a config.json", file=base)
    config = read_json(path)
    family = config.get("model_type")
    if family not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise DataError(
            f"expected a causal language model that transformers supports, found {family!r}",
            file=path,
            field="model_type",
        )
    wanted = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[family]
    found = config.get("architectures") or [wanted]
    if wanted not in found:
        raise DataError(
            f"expected the architecture {wanted}, found {', '.join(found)}", file=path, field="architectures"
        )
    return AutoConfig.from_pretrained(base).to_dict()
