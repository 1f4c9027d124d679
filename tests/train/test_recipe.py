"""The Trainer under our recipe against computations written out by hand."""

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.optimization import Adafactor

from selfalign.core.config.training import TrainingConfig
from selfalign.core.model_config import read_model_config
from selfalign.train.attention import ROW_BY_ROW, choose_attention
from selfalign.train.batching import BatchSchedule, collate_packed
from selfalign.train.data import encode, load_format, read_pairs
from selfalign.train.run import build_trainer

RECIPE = TrainingConfig(
    learning_rate=1e-3, gradient_accumulation_steps=4, max_steps=5, max_length=400, warmup_ratio=0.2
)


def encoded_rows(base, dataset):
    chat = load_format(base, "own")
    return chat.tokenizer, encode(read_pairs(dataset), chat, 400, dataset)


def trained(base, dataset, work, config):
    tokenizer, encoded = encoded_rows(base, dataset)
    trainer = build_trainer(config, base, encoded, tokenizer, work)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return losses, {name: p.detach().clone() for name, p in trainer.model.named_parameters()}


def by_hand(base, dataset, config):
    """Five steps, a row at a time, in plain PyTorch: what the published run does, with no Trainer in it."""
    _, encoded = encoded_rows(base, dataset)
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")
    model.eval()  # no dropout
    optimizer = Adafactor(model.parameters(), lr=1.0, scale_parameter=False, relative_step=False)
    plan = BatchSchedule([len(e["input_ids"]) for e in encoded.examples], config)
    losses = []
    for step in range(config.max_steps):
        warmup = 1
        rate = step / warmup if step < warmup else (config.max_steps - step) / (config.max_steps - warmup)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        rows = [encoded[row] for row in plan.rows(step)]
        tokens = sum(sum(label != -100 for label in row["labels"][1:]) for row in rows)
        total = 0.0
        for row in rows:
            logits = model(torch.tensor([row["input_ids"]])).logits[0, :-1]
            log_p = torch.log_softmax(logits, dim=-1)
            picked = [
                -log_p[position, label] for position, label in enumerate(row["labels"][1:]) if label != -100
            ]
            summed = torch.stack(picked).sum()
            loss = summed / tokens if config.loss_weighting == "token" else summed / len(picked) / len(rows)
            loss.backward()
            total += loss.item()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(total)
    return losses, dict(model.named_parameters())


@pytest.mark.parametrize("batching", ["padded", "grouped", "packed"])
@pytest.mark.parametrize("weighting", ["example", "token"])
def test_losses_and_weights_after_five_steps_are_those_of_a_hand_written_loop(
    base, dataset, tmp_path, batching, weighting
):
    config = RECIPE.model_copy(
        update={
            "batching": batching,
            "loss_weighting": weighting,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
        }
    )
    losses, weights = trained(base, dataset, tmp_path, config)
    expected_losses, expected = by_hand(base, dataset, config)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    start = dict(AutoModelForCausalLM.from_pretrained(base).named_parameters())
    for name, value in expected.items():
        # Steps of 1e-3 moved the weights by up to 5e-3; float32 in another order may differ by a hundredth of a step.
        torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=0)
    moved = max((weights[name] - start[name]).abs().max().item() for name in start)
    assert moved > 1e-3


@pytest.mark.parametrize("attention", ["eager", "sdpa", "auto"])
def test_the_loss_of_a_packed_batch_is_that_of_its_rows_alone(base, dataset, attention):
    _, encoded = encoded_rows(base, dataset)
    chosen = choose_attention(
        RECIPE.model_copy(update={"attention": attention, "batching": "packed"}), read_model_config(base)
    )
    assert attention != "auto" or chosen == ROW_BY_ROW or torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(base, attn_implementation=chosen).eval()
    one_row = AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager").eval()
    rows = [encoded[n] for n in range(5)]
    packed = collate_packed(rows, [1.0] * 5)
    logits = model(
        input_ids=packed["input_ids"], position_ids=packed["position_ids"], use_cache=False
    ).logits[0]
    start = 0
    for row in rows:
        alone = one_row(torch.tensor([row["input_ids"]])).logits[0]
        stop = start + len(row["input_ids"])
        torch.testing.assert_close(logits[start:stop], alone, atol=2e-5, rtol=0)
        start = stop
    # The proof can fail: as one long row, the later ones see the earlier ones.
    joined = one_row(input_ids=packed["input_ids"], use_cache=False).logits[0]
    assert (joined[start - 1] - logits[start - 1]).abs().max() > 1e-3


def test_a_run_learns_eight_rows_by_heart(llama, dataset, tmp_path):
    tokenizer, encoded = encoded_rows(llama, dataset)
    encoded.examples = encoded.examples[:8]
    config = RECIPE.model_copy(
        update={
            "learning_rate": 2e-2,
            "max_steps": 240,
            "num_train_epochs": 240,
            "gradient_accumulation_steps": 8,
        }
    )
    trainer = build_trainer(config, llama, encoded, tokenizer, tmp_path)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert losses[0] > 5
    assert losses[-1] < 0.2


def test_checkpointing_of_gradients_changes_nothing(llama, dataset, tmp_path):
    plain, _ = trained(llama, dataset, tmp_path / "a", RECIPE)
    saving, _ = trained(
        llama, dataset, tmp_path / "b", RECIPE.model_copy(update={"gradient_checkpointing": True})
    )
    assert saving == pytest.approx(plain, rel=1e-6)
