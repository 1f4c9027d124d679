"""However a step is batched and on however many devices, it has the same rows and the same weights."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.core.config.training import TrainingConfig
from selfalign.train.batching import BatchSchedule, collate_packed, collate_padded, row_weights
from selfalign.train.data import IGNORED

lengths = st.lists(st.integers(2, 300), min_size=1, max_size=70)
recipes = st.builds(
    TrainingConfig,
    per_device_train_batch_size=st.integers(1, 4),
    gradient_accumulation_steps=st.integers(1, 8),
    batching=st.sampled_from(["padded", "grouped", "packed"]),
    packed_tokens=st.integers(16, 600),
    num_train_epochs=st.sampled_from([0.5, 1, 3]),
    max_steps=st.just(-1),
    seed=st.integers(0, 5),
)


@given(lengths, recipes, st.integers(1, 4))
def test_the_batches_of_all_processes_are_the_rows_of_the_step(lengths, config, world):
    plan = BatchSchedule(lengths, config, world)
    for step in range(plan.steps):
        shares = [plan.share(step, rank) for rank in range(world)]
        counted = [row for share in shares for batch, counts in share if counts for row in batch]
        assert sorted(counted) == sorted(plan.rows(step))
        assert len({len(share) for share in shares}) == 1


@given(lengths, recipes)
def test_every_epoch_has_every_row_once_in_an_order_of_its_own(lengths, config):
    plan = BatchSchedule(lengths, config)
    epochs = [
        [
            row
            for step in range(plan.steps_per_epoch)
            for row in plan.rows(epoch * plan.steps_per_epoch + step)
        ]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(len(lengths)))
    assert len(lengths) < 20 or epochs[0] != epochs[1]


@given(lengths, recipes)
def test_the_padding_is_that_of_the_collated_batches(lengths, config):
    plan = BatchSchedule(lengths, config)
    if config.batching == "packed":
        assert plan.padding_share(0) == 0
        return
    masks = [
        collate_padded(
            [{"input_ids": [1] * lengths[row], "labels": [1] * lengths[row]} for row in batch],
            [1.0] * len(batch),
            0,
        )["attention_mask"]
        for batch in plan.batches(0)
    ]
    padding = sum(int((mask == 0).sum()) for mask in masks) / sum(mask.numel() for mask in masks)
    assert plan.padding_share(0) == pytest.approx(padding, abs=1e-4)


@given(lengths, recipes)
def test_a_packed_batch_is_within_its_limit_unless_it_is_one_row(lengths, config):
    plan = BatchSchedule(lengths, config.model_copy(update={"batching": "packed"}))
    for batch in plan.batches(0):
        room = max(config.packed_tokens, *(lengths[row] for row in plan.rows(0)), 0)
        assert sum(lengths[row] for row in batch) <= room


def example(prompt, answer):
    ids = list(range(3, 3 + prompt + answer))
    return {"input_ids": ids, "labels": [IGNORED] * prompt + ids[prompt:]}


def test_the_weights_of_a_step_sum_to_one_and_are_equal_by_row_or_by_token():
    rows = [example(3, 1), example(2, 4)]
    assert row_weights(rows, "example") == pytest.approx([1 / 2, 1 / 8])
    assert row_weights(rows, "token") == pytest.approx([1 / 5, 1 / 5])


def test_both_layouts_hold_the_same_labels_and_weights():
    rows = [example(3, 2), example(1, 5), example(4, 1)]
    weights = [0.1, 0.2, 0.3]
    packed = collate_packed(rows, weights)
    padded = collate_padded(rows, weights, pad=0)
    assert packed["position_ids"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]]

    def labelled(batch):
        chosen = batch["labels"][:, 1:] != IGNORED
        return list(
            zip(
                batch["labels"][:, 1:][chosen].tolist(), batch["weights"][:, 1:][chosen].tolist(), strict=True
            )
        )

    assert labelled(packed) == labelled(padded)
    assert padded["attention_mask"].sum() == packed["input_ids"].numel()
