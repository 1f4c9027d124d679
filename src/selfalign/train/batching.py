"""Which rows make which step, and how a step is cut into batches.

A step is a fixed set of rows: seed and epoch shuffle the rows, and every `rows_per_step` of them make one
step. How a step is then cut into batches decides its speed and its memory, never its gradient: every labelled
token carries its share of the step's loss as a weight, and the weights of a step sum to 1.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.core.config.training import TrainingConfig
from selfalign.train.data import IGNORED, EncodedRow

Batch = list[int]  # the rows of a batch, by their number in the data set


@dataclass(frozen=True)
class BatchSchedule:
    """All steps of a training, as the rows of their batches; a pure function of its fields.

    Args:
        lengths: tokens of every row.
        config: the recipe.
        world: number of processes that share a step.
    """

    lengths: Sequence[int]
    config: TrainingConfig
    world: int = 1

    @property
    def rows_per_step(self) -> int:
        """Rows whose gradients make one step, over all processes."""
        return self.config.per_device_train_batch_size * self.config.gradient_accumulation_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps that see every row once; the last one may have fewer rows."""
        return math.ceil(len(self.lengths) / self.rows_per_step)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        steps = math.ceil(self.config.num_train_epochs * self.steps_per_epoch)
        return steps if self.config.max_steps < 0 else min(steps, self.config.max_steps)

    def rows(self, step: int) -> list[int]:
        """Return the rows of a step (from 0), in their shuffled order."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = list(range(len(self.lengths)))
        random.Random(f"{self.config.seed} {epoch}").shuffle(order)
        return order[place * self.rows_per_step : (place + 1) * self.rows_per_step]

    def batches(self, step: int) -> list[Batch]:
        """Return the batches of a step.

        padded: the rows in their order, `per_device_train_batch_size` at a time; grouped: the same, rows of similar length
        together; packed: as many rows as fit into `packed_tokens` tokens (first fit, longest row first).
        """
        rows, size = self.rows(step), self.config.per_device_train_batch_size
        if self.config.batching == "packed":
            return self._packed(rows)
        if self.config.batching == "grouped":
            rows = sorted(rows, key=lambda row: (self.lengths[row], row))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def share(self, step: int, rank: int) -> list[tuple[Batch, bool]]:
        """Return the batches of a step that process `rank` computes, and whether each one counts.

        All processes get the same number of batches, because sharded models compute in lockstep; what is
        missing is filled with batches that are computed but do not count.
        """
        batches = self.batches(step)
        turns = math.ceil(len(batches) / self.world)
        places = [rank + self.world * turn for turn in range(turns)]
        return [(batches[p], True) if p < len(batches) else (batches[0], False) for p in places]

    def _packed(self, rows: Sequence[int]) -> list[Batch]:
        room = max(self.config.packed_tokens, *(self.lengths[row] for row in rows))
        bins: list[tuple[int, Batch]] = []
        for row in sorted(rows, key=lambda row: (-self.lengths[row], row)):
            length = self.lengths[row]
            place = next((i for i, (used, _) in enumerate(bins) if used + length <= room), None)
            if place is None:
                bins.append((length, [row]))
            else:
                used, packed = bins[place]
                bins[place] = (used + length, [*packed, row])
        return [packed for _, packed in bins]


def row_weights(examples: Sequence[EncodedRow], weighting: str) -> list[float]:
    """Return what one labelled token of each row of a step weighs in the step's loss.

    example: every row counts the same, its tokens share what it counts; token: every token counts the same.
    The first token of a row is never predicted, so it does not count.
    """
    counts = [sum(label != IGNORED for label in each["labels"][1:]) for each in examples]
    if weighting == "token":
        return [1 / sum(counts)] * len(counts)
    return [1 / (count * len(counts)) for count in counts]


def collate_padded(examples: Sequence[EncodedRow], weights: Sequence[float], pad: int) -> dict[str, Any]:
    """Return a batch padded on the right to its longest row.

    int64 tensors of shape (rows, length), and `weights`, float32 of the same shape, for every labelled token.
    """
    import torch

    longest = max(len(each["input_ids"]) for each in examples)

    def padded(values: Sequence[Any], filler: Any) -> list[Any]:
        return [*values, *[filler] * (longest - len(values))]

    return {
        "input_ids": torch.tensor([padded(each["input_ids"], pad) for each in examples]),
        "labels": torch.tensor([padded(each["labels"], IGNORED) for each in examples]),
        "attention_mask": torch.tensor([padded([1] * len(each["input_ids"]), 0) for each in examples]),
        "weights": torch.tensor([[weight] * longest for weight in weights], dtype=torch.float32),
    }


def collate_packed(
    examples: Sequence[EncodedRow], weights: Sequence[float], *, shared: int = 0
) -> dict[str, Any]:
    """Return rows as one sequence without padding, with positions that start anew at every row.

    transformers takes such positions without an attention mask for rows side by side, and lets none attend to
    another. The first label of each row carries no loss, for it would be predicted from the row before.
    Tensors of shape (1, tokens).

    Args:
        shared: tokens that all rows begin with (:func:`common_prefix`) and that only the first of them keeps; the
            positions of the others start at this number. Only our own attention understands that.
    """
    import torch

    ids, labels, positions, spread = [], [], [], []
    for place, (each, weight) in enumerate(zip(examples, weights, strict=True)):
        start, stop = shared if place else 0, len(each["input_ids"])
        ids += each["input_ids"][start:]
        labels += [IGNORED, *each["labels"][start + 1 :]]
        positions += range(start, stop)
        spread += [weight] * (stop - start)
    return {
        "input_ids": torch.tensor([ids]),
        "labels": torch.tensor([labels]),
        "position_ids": torch.tensor([positions]),
        "weights": torch.tensor([spread], dtype=torch.float32),
    }


def common_prefix(examples: Sequence[EncodedRow]) -> int:
    """Return how many tokens all rows begin with, as far as none of these predicts a label.

    What these tokens become in the model is the same in every row, for none sees what follows it.
    """
    most = min(_first_label(each) for each in examples) - 1
    columns = zip(*(each["input_ids"][:most] for each in examples), strict=True)
    return next((place for place, ids in enumerate(columns) if len(set(ids)) > 1), most)


def _first_label(example: EncodedRow) -> int:
    labels = example["labels"]
    return next((n for n, label in enumerate(labels) if n and label != IGNORED), len(labels))
