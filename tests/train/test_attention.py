"""Rows packed side by side that share what they begin with are computed as each of them alone."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.core.model_config import read_model_config
from selfalign.train.attention import ROW_BY_ROW, choose_attention, packed_row_lengths
from selfalign.train.batching import collate_packed, collate_padded, common_prefix, row_weights
from selfalign.train.data import IGNORED, encode, load_format, read_pairs
from selfalign.train.trainer import weighted_loss

CONFIG = TrainingConfig(batching="packed", max_length=400)


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    """Choose the attention of a CPU on every machine."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def rows(base, dataset):
    encoded = encode(read_pairs(dataset), load_format(base, "own"), CONFIG.max_length, dataset)
    return [encoded[n] for n in (5, 0, 17, 3, 11)]


def load(base, attention):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_pretrained(base, attn_implementation=attention).eval()


def row_by_row(base):
    chosen = choose_attention(CONFIG, read_model_config(base))
    assert chosen == ROW_BY_ROW
    return load(base, chosen)


def packed_losses(model, rows, weights, shared):
    """Return the loss of every row, times its weight, from the rows in one batch."""
    batch = collate_packed(rows, weights, shared=shared)
    logits = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits[
        0
    ]
    lengths, found = packed_row_lengths(batch["position_ids"][0])
    assert found == shared
    losses, start = [], 0
    for length in lengths:
        own = slice(start, start + length)
        losses.append(
            weighted_loss(
                logits[own][None, :-1], batch["labels"][:, own][:, 1:], batch["weights"][:, own][:, 1:]
            )
        )
        start += length
    return losses


@pytest.mark.parametrize("share", [True, False])
def test_losses_and_gradients_are_those_of_the_rows_alone(base, rows, share):
    weights = row_weights(rows, "example")
    shared = common_prefix(rows) if share else 0
    assert shared > 5 or not share
    packed = row_by_row(base)
    losses = packed_losses(packed, rows, weights, shared)
    sum(losses).backward()

    alone = load(base, "eager")
    for row, weight, loss in zip(rows, weights, losses, strict=True):
        batch = collate_padded([row], [weight], pad=0)
        expected = weighted_loss(
            alone(batch["input_ids"]).logits[:, :-1], batch["labels"][:, 1:], batch["weights"][:, 1:]
        )
        expected.backward()
        torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    for (name, one), other in zip(alone.named_parameters(), packed.parameters(), strict=True):
        # float32 in another order: within a thousandth of the parameter's largest gradient.
        allowed = one.grad.abs().max().item() / 1000
        assert allowed > 0, name
        torch.testing.assert_close(other.grad, one.grad, atol=allowed, rtol=0)


@pytest.mark.parametrize("changed", [0, 2, 4])
def test_what_one_row_says_changes_no_other_rows_loss(base, rows, changed):
    shared = common_prefix(rows)
    other = [dict(row) for row in rows]
    ids = other[changed]["input_ids"]
    other[changed]["input_ids"] = ids[: shared + 1] + ids[:shared:-1]
    model = row_by_row(base)
    before, after = (packed_losses(model, each, [1.0] * 5, shared) for each in (rows, other))
    for place, (one, two) in enumerate(zip(before, after, strict=True)):
        assert torch.equal(one, two) == (place != changed)


def test_a_token_that_predicts_a_label_is_not_shared():
    def row(prompt, answer):
        return {"input_ids": [1] * (prompt + answer), "labels": [IGNORED] * prompt + [1] * answer}

    assert common_prefix([row(9, 2), row(6, 1)]) == 5
    assert common_prefix([row(9, 2)]) == 8
    assert common_prefix([row(9, 2), row(1, 5)]) == 0
    # The label of a first token carries no loss, for nothing predicts it.
    assert common_prefix([row(0, 5), row(9, 2)]) == 0
    assert common_prefix([row(2, 0), row(2, 0)]) == 1
    differing = [{"input_ids": [1, 2, n, 4, 5], "labels": [IGNORED] * 4 + [5]} for n in (3, 7)]
    assert common_prefix(differing) == 2


def test_packed_row_lengths_are_told_by_their_positions():
    assert packed_row_lengths(torch.arange(4)) == ([4], 0)
    assert packed_row_lengths(torch.tensor([0, 1, 2, 0, 1, 0])) == ([3, 2, 1], 0)
    assert packed_row_lengths(torch.tensor([0, 1, 2, 3, 2, 3, 4, 5, 2, 3])) == ([4, 4, 2], 2)


def test_packing_is_refused_for_a_model_whose_attention_cannot_be_exchanged():
    with pytest.raises(ConfigError, match=r"training\.batching.*'codegen'.*found packed"):
        choose_attention(CONFIG, {"model_type": "codegen"})
    padded = CONFIG.model_copy(update={"batching": "padded"})
    assert choose_attention(padded, {"model_type": "codegen"}) == "eager"
    assert choose_attention(padded, {"model_type": "llama"}) == "sdpa"
