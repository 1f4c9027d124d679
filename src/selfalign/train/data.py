"""Rows to token ids and labels (reference, section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfalign.core.chat import inference_prompt
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_numbered, require

# The token ids of a row and their labels.
EncodedRow = dict[str, list[int]]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")

# Positions with this label carry no loss (PyTorch's cross entropy).
IGNORED = -100


@dataclass
class Encoded:
    """The encoded rows, and how many of them were cut at the maximum length."""

    examples: list[EncodedRow] = field(default_factory=list)
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> EncodedRow:
        return self.examples[index]


def read_pairs(path: str | Path, least: int = 1) -> list[Record]:
    """Return the rows of a data set.

    Raises:
        DataError: there are fewer than `least` rows, or one lacks a text or has an empty one; names file and line.
    """
    rows = []
    for number, record in read_numbered(path):
        for name in ("instruction", "response"):
            if not require(record, name, str, file=path, number=number).strip():
                raise DataError("expected a text, found an empty one", file=path, record=number, field=name)
        rows.append(record)
    if len(rows) < least:
        raise DataError(
            f"expected at least {least} rows to train on (training.min_rows), found {len(rows)}", file=path
        )
    return rows


def load_tokenizer(base: str | Path) -> Any:
    """Return the tokenizer of a checkpoint directory.

    Raises:
        DataError: there is none, it cannot be read, or it has no end-of-sequence token, which every answer ends with.
    """
    from transformers import AutoTokenizer

    if not any((Path(base) / name).exists() for name in TOKENIZER_FILES):
        raise DataError(f"expected a checkpoint with a tokenizer ({' or '.join(TOKENIZER_FILES)})", file=base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except Exception as error:  # the tokenizers library raises plain Exception
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"the tokenizer cannot be read ({first})", file=base) from error
    if tokenizer.eos_token_id is None:
        raise DataError("expected a tokenizer with an end-of-sequence token", file=base)
    return tokenizer


def encode(
    rows: Sequence[Record], tokenizer: Any, max_length: int, source: str | Path | None = None
) -> Encoded:
    """Return every row as ids and labels: beginning of sequence if there is one, prompt, response, end.

    Prompt positions carry no loss; the pair is cut at `max_length` tokens.

    Raises:
        DataError: a row's instruction alone fills `max_length`, so that nothing could be learnt from it.
    """
    encoded = Encoded()
    beginning = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    for number, row in enumerate(rows, start=1):
        prompt = (
            beginning + tokenizer(inference_prompt(row["instruction"]), add_special_tokens=False)["input_ids"]
        )
        answer = tokenizer(row["response"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        if len(prompt) >= max_length:
            raise DataError(
                f"expected an instruction of less than {max_length} tokens (training.max_length), found {len(prompt)}",
                file=source,
                record=number,
                field="instruction",
            )
        ids = (prompt + answer)[:max_length]
        labels = ([IGNORED] * len(prompt) + answer)[:max_length]
        encoded.truncated += len(prompt) + len(answer) > max_length
        encoded.examples.append({"input_ids": ids, "labels": labels})
    return encoded
