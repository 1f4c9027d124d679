"""Tokenization of rows into ids and labels (reference, section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfalign.core.chat import ChatFormat, load_tokenizer
from selfalign.core.config.training import ChatLayout
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_numbered, require

# Token ids (`input_ids`) and labels (`labels`) of a row.
EncodedRow = dict[str, list[int]]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")

# Label of positions without loss (PyTorch's cross entropy).
IGNORED = -100


@dataclass
class Encoded:
    """Encoded rows.

    Attributes:
        examples: the rows.
        truncated: number of rows cut at the maximum length.
    """

    examples: list[EncodedRow] = field(default_factory=list)
    truncated: int = 0

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> EncodedRow:
        return self.examples[index]


def read_pairs(path: str | Path, min_rows: int = 1) -> list[Record]:
    """Return the rows of a dataset.

    Args:
        path: JSON Lines file with ``instruction`` and ``response``.
        min_rows: required number of rows.

    Raises:
        DataError: there are too few rows, or a row has a missing or empty field.
    """
    rows = []
    for number, record in read_numbered(path):
        for name in ("instruction", "response"):
            if not require(record, name, str, file=path, number=number).strip():
                raise DataError("expected a text, found an empty one", file=path, record=number, field=name)
        rows.append(record)
    if len(rows) < min_rows:
        raise DataError(
            f"expected at least {min_rows} rows to train on (training.min_rows), found {len(rows)}", file=path
        )
    return rows


def load_format(base: str | Path, layout: ChatLayout) -> ChatFormat:
    """Return the format of the rows, with the tokenizer of a checkpoint.

    Args:
        base: checkpoint directory.
        layout: prompt layout of the rows.

    Raises:
        DataError: the tokenizer is missing, cannot be read, or has no chat template or end-of-sequence token.
    """
    if not any((Path(base) / name).exists() for name in TOKENIZER_FILES):
        raise DataError(f"expected a checkpoint with a tokenizer ({' or '.join(TOKENIZER_FILES)})", file=base)
    return ChatFormat(load_tokenizer(base), layout, base)


def encode(
    rows: Sequence[Record], chat: ChatFormat, max_length: int, source: str | Path | None = None
) -> Encoded:
    """Encode rows as prompt and response with their special tokens.

    Prompt positions carry no loss. Rows are cut at `max_length` tokens.

    Args:
        rows: rows with ``instruction`` and ``response``.
        chat: format of the rows.
        max_length: maximum length of a row, in tokens.
        source: file of the rows, for messages.

    Raises:
        DataError: the instruction of a row alone fills `max_length`, so that no response token would be left.
    """
    encoded = Encoded()
    for number, row in enumerate(rows, start=1):
        prompt, response = chat.prompt_ids(row["instruction"]), chat.response_ids(row["response"])
        if len(prompt) >= max_length:
            raise DataError(
                f"expected an instruction of less than {max_length} tokens (training.max_length), found {len(prompt)}",
                file=source,
                record=number,
                field="instruction",
            )
        ids = (prompt + response)[:max_length]
        labels = ([IGNORED] * len(prompt) + response)[:max_length]
        encoded.truncated += len(prompt) + len(response) > max_length
        encoded.examples.append({"input_ids": ids, "labels": labels})
    return encoded
