"""Length of a training example in tokens."""

from __future__ import annotations

from pathlib import Path

from selfalign.core.chat import inference_prompt
from selfalign.core.config.curation import LengthConfig
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record
from selfalign.core.outcomes import Drop, Filter, Keep, Outcome


def length_filter(settings: LengthConfig, checkpoint: str | Path) -> Filter:
    """Return the filter that drops examples with too few or too many tokens, prompt and response together.

    Args:
        checkpoint: directory of the model whose tokenizer counts (``tokenizer.json``).

    Raises:
        DataError: there is no such tokenizer.
    """
    from tokenizers import Tokenizer

    path = Path(checkpoint) / "tokenizer.json"
    if not path.is_file():
        raise DataError("expected the model's tokenizer.json", file=path)
    tokenizer = Tokenizer.from_file(str(path))

    def check(record: Record) -> Outcome:
        prompt = inference_prompt(record["instruction"])
        parts = tokenizer.encode_batch([prompt, record["response"]], add_special_tokens=False)
        tokens = sum(len(part.ids) for part in parts)
        if settings.min_tokens is not None and tokens < settings.min_tokens:
            return Drop("too_short", {"tokens": tokens})
        if settings.max_tokens is not None and tokens > settings.max_tokens:
            return Drop("too_long", {"tokens": tokens})
        return Keep(record)

    return check
