"""Assignment of rows to optimizer steps, and of a step's rows to batches.

A step is a fixed set of rows: the rows are shuffled by seed and epoch, and every `rows_per_step` of them form a step.
Splitting a step into batches affects speed and memory but not the gradient: every labelled token carries its share of
the step's loss as a weight, and the weights of a step sum to 1.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfalign.core.config.training import TrainingConfig
from selfalign.train.data import IGNORED, EncodedRow
from selfalign.train.job import KeptSteps

Batch = list[int]  # row numbers in the dataset


@dataclass(frozen=True)
class BatchSchedule:
    """All steps of a training and their batches; a pure function of its fields.

    Args:
        lengths: number of tokens of every row.
        config: training configuration.
        world: number of processes that share a step.
    """

    lengths: Sequence[int]
    config: TrainingConfig
    world: int = 1

    @property
    def rows_per_step(self) -> int:
        """Number of rows per step, over all processes."""
        return self.config.per_device_train_batch_size * self.config.gradient_accumulation_steps

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps per epoch; the last one may have fewer rows."""
        return math.ceil(len(self.lengths) / self.rows_per_step)

    @property
    def steps(self) -> int:
        """Number of steps of the training."""
        steps = math.ceil(self.config.num_train_epochs * self.steps_per_epoch)
        return steps if self.config.max_steps < 0 else min(steps, self.config.max_steps)

    def steps_before_last(self, kept: KeptSteps) -> range:
        """Return the numbers of finished steps at which an intermediate checkpoint is kept.

        Args:
            kept: ``each_epoch``, the ends of epochs; ``all``, every `save_steps` steps; both without the last step.
        """
        every = self.steps_per_epoch if kept == "each_epoch" else self.config.save_steps
        return range(every, self.steps, every)

    def rows(self, step: int) -> list[int]:
        """Return the rows of a step in shuffled order.

        Args:
            step: number of the step, from 0.
        """
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

    def padding_share(self, step: int) -> float:
        """Return the share of the positions of a step that hold padding, from 0 to 1.

        Args:
            step: number of the step, from 0.
        """
        if self.config.batching == "packed":
            return 0.0
        batches = self.batches(step)
        positions = sum(len(batch) * max(self.lengths[row] for row in batch) for batch in batches)
        return round(1 - sum(self.lengths[row] for batch in batches for row in batch) / positions, 4)

    def share(self, step: int, rank: int) -> list[tuple[Batch, bool]]:
        """Return the batches of a step for one process, each with whether it counts.

        All processes get the same number of batches, because sharded models compute in lockstep. Missing ones are
        filled with batches that are computed with weight 0.

        Args:
            step: number of the step, from 0.
            rank: number of the process, from 0.
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
    """Return the weight of a labelled token in the step's loss, for each row of the step.

    The first token of a row is never predicted, so it does not count.

    Args:
        examples: rows of the step.
        weighting: ``example``: equal weight per row, divided among its tokens; ``token``: equal weight per token.
    """
    counts = [sum(label != IGNORED for label in each["labels"][1:]) for each in examples]
    if weighting == "token":
        return [1 / sum(counts)] * len(counts)
    return [1 / (count * len(counts)) for count in counts]


def collate_padded(examples: Sequence[EncodedRow], weights: Sequence[float], pad: int) -> dict[str, Any]:
    """Return a batch padded on the right to its longest row.

    Args:
        examples: rows of the batch.
        weights: token weight of each row.
        pad: token id for padding.

    Returns:
        int64 tensors of shape (rows, length), and `weights`, float32 of the same shape.
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
    """Return rows as one sequence without padding, with positions that restart at every row.

    transformers treats such positions without an attention mask as packed rows that do not attend to each other. The
    first label of each row carries no loss, because it would be predicted from the previous row.

    Args:
        examples: rows of the batch.
        weights: token weight of each row.
        shared: length of the common prefix (:func:`common_prefix`) that only the first row keeps; the positions of
            the others start at this number. Requires the row-by-row attention.

    Returns:
        tensors of shape (1, tokens).
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
    """Return the length of the token prefix that all rows share and that predicts no label.

    The hidden states of these tokens are the same in every row, because attention is causal.

    Args:
        examples: rows of the batch.
    """
    longest = min(_first_label(each) for each in examples) - 1
    columns = zip(*(each["input_ids"][:longest] for each in examples), strict=True)
    return next((place for place, ids in enumerate(columns) if len(set(ids)) > 1), longest)


def _first_label(example: EncodedRow) -> int:
    labels = example["labels"]
    return next((n for n, label in enumerate(labels) if n and label != IGNORED), len(labels))
