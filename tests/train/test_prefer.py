"""The training on preferences: the same token ids as the fine-tune, the loss of DPO, the same bytes after an interruption."""

import json
import logging
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import write_tiny_checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainingArguments

from selfalign.core.checkpoint import hash_files
from selfalign.core.config.preferences import PreferencesConfig
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, read_jsonl
from selfalign.train import checkpoints
from selfalign.train.data import IGNORED, encode, load_format
from selfalign.train.prefer import (
    EncodedPairs,
    PreferenceJob,
    build_trainer,
    encode_pairs,
    launch,
    prefer,
    read_preferences,
)

PAIRS = [
    {
        "index": n,
        "instruction": f"Write a function that adds {n}" + ", with care" * (n % 5) + ".",
        "chosen": f"def add_{n}(x):\n    return x + {n}\n" * (1 + n % 3),
        "rejected": f"def add_{n}(x):\n    return x - {n}\n" * (1 + n % 2),
    }
    for n in range(10)
]
TUNING = TrainingConfig(max_length=200, save_steps=1, save_total_limit=2)
SETTINGS = PreferencesConfig(learning_rate=1e-3, num_train_epochs=2)
# Ten pairs, four a step.
STEPS = 6


@pytest.fixture
def pairs(tmp_path) -> Path:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    return path


def job_in(
    directory: Path, base: Path, pairs: Path, *, settings: PreferencesConfig = SETTINGS, **tuning
) -> PreferenceJob:
    return PreferenceJob(
        config=settings.training(TUNING.model_copy(update=tuning)),
        base=base,
        dataset=pairs,
        out=directory / "preferred",
        metrics=directory / "preferred.metrics.jsonl",
        work=directory / "work",
        beta=settings.beta,
        title="Tiny",
    )


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="session")
def two_beginnings(tmp_path_factory) -> Path:
    """A checkpoint whose tokenizer and chat template both write the beginning-of-sequence token."""
    directory = write_tiny_checkpoint(tmp_path_factory.mktemp("two_beginnings"))
    from tokenizers.processors import TemplateProcessing

    tokenizer = AutoTokenizer.from_pretrained(directory)
    first = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.bos_token_id)]
    )
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ '<' + m['role'] + '>\\n' + m['content'] + eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<assistant>\\n' }}{% endif %}"
    )
    tokenizer.save_pretrained(directory)
    return directory


@pytest.mark.parametrize("layout", ["own", "reference"])
@pytest.mark.parametrize("checkpoint", ["llama", "two_beginnings"])
def test_the_trainer_gets_the_token_ids_of_the_fine_tune(request, checkpoint, layout, pairs, tmp_path):
    base = request.getfixturevalue(checkpoint)
    chat = load_format(base, layout)
    longest = max(len(chat.prompt_ids(pair["instruction"])) for pair in PAIRS)
    # Whole, and cut.
    for max_length in (longest + 200, longest + 20):
        job = job_in(tmp_path, base, pairs, max_length=max_length, layout=layout)
        trainer = build_trainer(job, encode_pairs(PAIRS, chat, max_length))
        batches = [trainer.data_collator([row]) for row in trainer.train_dataset]
        ends = []
        for pair, batch in zip(PAIRS, batches, strict=True):
            for place, side in enumerate(("chosen", "rejected")):
                real = batch["attention_mask"][place].bool()
                ids, learnt = (batch[name][place][real].tolist() for name in ("input_ids", "completion_mask"))
                row = {"instruction": pair["instruction"], "response": pair[side]}
                expected = encode([row], chat, max_length).examples[0]
                assert ids == expected["input_ids"]
                labels = [token if mask else IGNORED for token, mask in zip(ids, learnt, strict=True)]
                assert labels == expected["labels"]
                beginning = chat.tokenizer.bos_token_id
                if checkpoint == "two_beginnings":
                    assert (ids[0], ids.count(beginning)) == (beginning, 1)
                end = len(chat.end_ids)
                ends.append(ids[-end:] == chat.end_ids and all(learnt[-end:]))
        assert all(ends) == (max_length == longest + 200)


def log_probability(model, prompt: list[int], response: list[int]) -> float:
    """Return the sum of the log probabilities of a response, computed position by position."""
    ids = torch.tensor([prompt + response])
    with torch.no_grad():
        logits = model(ids).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) + n - 1, token].item() for n, token in enumerate(response))


def test_the_loss_of_a_step_is_that_of_the_paper_over_all_its_pairs(llama, pairs, tmp_path):
    # Two steps over all pairs: in the second, the policy is no longer the reference.
    settings = SETTINGS.model_copy(
        update={
            "max_steps": 2,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 5,
            "beta": 0.3,
        }
    )
    job = job_in(tmp_path, llama, pairs, settings=settings)
    job_of_one = job_in(tmp_path / "one", llama, pairs, settings=settings.model_copy(update={"max_steps": 1}))
    constant = {"lr_scheduler_type": "constant_with_warmup"}
    job, job_of_one = (
        PreferenceJob(**{**vars(each), "config": each.config.model_copy(update=constant)})
        for each in (job, job_of_one)
    )
    prefer(job)
    prefer(job_of_one)
    reference, policy = (AutoModelForCausalLM.from_pretrained(path) for path in (llama, job_of_one.out))
    losses, margins = [], []
    for example in encode_pairs(PAIRS, load_format(llama, "own"), 200).examples:
        chosen, rejected = (
            log_probability(policy, example["prompt_ids"], example[side])
            - log_probability(reference, example["prompt_ids"], example[side])
            for side in ("chosen_ids", "rejected_ids")
        )
        margins.append(0.3 * (chosen - rejected))
        losses.append(math.log1p(math.exp(-margins[-1])))
    first, second = read_jsonl(job.metrics)
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert second["loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    assert second["rewards/margins"] == pytest.approx(sum(margins) / len(margins), abs=1e-4)
    assert second["rewards/accuracies"] == sum(margin > 0 for margin in margins) / len(margins)


def test_a_step_is_the_same_in_one_batch_and_in_many(llama, pairs, tmp_path):
    weights = []
    for size in (1, 4):
        settings = SETTINGS.model_copy(
            update={"per_device_train_batch_size": size, "gradient_accumulation_steps": 4 // size}
        )
        job = job_in(tmp_path / str(size), llama, pairs, settings=settings, optim="adamw_torch")
        prefer(job)
        assert len(list(read_jsonl(job.metrics))) == STEPS
        weights.append(AutoModelForCausalLM.from_pretrained(job.out).state_dict())
    start = AutoModelForCausalLM.from_pretrained(llama).state_dict()
    for name, one in weights[0].items():
        torch.testing.assert_close(one, weights[1][name], rtol=0, atol=2e-5)
    assert max((one - start[name]).abs().max() for name, one in weights[0].items()) > 1e-3


@pytest.mark.parametrize(("precision", "optim"), [("float32", "adamw_torch"), ("bfloat16", "adafactor")])
def test_an_interrupted_training_ends_with_the_same_files(llama, pairs, tmp_path, optim, precision, caplog):
    job = job_in(tmp_path, llama, pairs, optim=optim, precision=precision, save_total_limit=10)
    prefer(job)
    whole, metrics = files(job.out), job.metrics.read_bytes()
    for step in range(4, STEPS + 1):
        shutil.rmtree(job.checkpoints / f"checkpoint-{step}")
    last = checkpoints.last_whole(job.checkpoints)
    assert last is not None
    assert last.name == "checkpoint-3"
    with caplog.at_level(logging.INFO):
        prefer(job)
    assert "resuming from" in caplog.text
    assert files(job.out) == whole
    assert job.metrics.read_bytes() == metrics


def test_the_checkpoint_is_a_model_with_the_tokenizer_of_the_tuned_one(llama, pairs, tmp_path):
    job = job_in(tmp_path, llama, pairs)
    prefer(job)
    identity = read_json(job.out / "selfalign.json")
    assert identity["identity"] == hash_files(job.out)
    assert identity["base"] == hash_files(llama)
    assert identity["dataset_sha256"] == file_sha256(pairs)
    assert identity["preferences"]["beta"] == 0.1
    assert identity["preferences"]["learning_rate"] == 1e-3
    assert not {"loss_weighting", "packed_tokens", "method"} & identity["preferences"].keys()
    before, after = (load_format(each, "own") for each in (llama, job.out))
    assert after.template == before.template
    assert after.prompt_ids("Add.") == before.prompt_ids("Add.")
    assert after.tokenizer.pad_token == before.tokenizer.pad_token
    assert not list(job.out.glob("training_args.bin"))
    card = (job.out / "README.md").read_text()
    assert "| `beta` | 0.1 |" in card
    assert "10 pairs" in card
    assert "## Scores" in card
    assert "`preferred.README.md` beside" in card
    assert str(tmp_path) not in card + (job.out / "trainer_state.json").read_text()
    state = read_json(job.out / "trainer_state.json")
    assert [row["step"] for row in state["log_history"]] == list(range(1, STEPS + 1))


def test_it_ends_at_the_tokens_of_the_tuned_model(llama, pairs, tmp_path):
    tuned = shutil.copytree(llama, tmp_path / "tuned")
    for name in ("config.json", "generation_config.json"):
        changed = read_json(tuned / name) | {"eos_token_id": [2, 0], "pad_token_id": None}
        (tuned / name).write_text(json.dumps(changed))
    job = job_in(tmp_path, tuned, pairs, settings=SETTINGS.model_copy(update={"max_steps": 1}))
    prefer(job)
    for name in ("config.json", "generation_config.json"):
        before, after = (read_json(each / name) | {"use_cache": None} for each in (tuned, job.out))
        assert {k: v for k, v in before.items() if v is not None} == {
            k: v for k, v in after.items() if v is not None
        }


def test_launcher_and_launched_agree_on_the_job(llama, pairs, tmp_path):
    job = job_in(tmp_path, llama, pairs, settings=SETTINGS.model_copy(update={"beta": 0.5}))
    job.write(tmp_path / "job.json")
    assert PreferenceJob.read(tmp_path / "job.json") == job
    other = job_in(tmp_path, llama, pairs)
    assert other.checkpoints != job.checkpoints
    kept = job_in(tmp_path, llama, pairs, settings=SETTINGS.model_copy(update={"beta": 0.5}), save_steps=7)
    assert kept.checkpoints == job.checkpoints


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], r"pairs\.jsonl.*at least 4 pairs.*training\.min_rows.*found 0"),
        ([*PAIRS, {"instruction": "Add.", "chosen": "a"}], r"pairs\.jsonl.*11.*rejected"),
        ([{"instruction": "Add.", "chosen": 3, "rejected": "a"}], r"pairs\.jsonl.*1.*chosen"),
        ([{"instruction": "Add.", "chosen": "a", "rejected": " "}], r"pairs\.jsonl.*1.*rejected.*empty"),
        (
            [{"instruction": "Add.", "chosen": "a", "rejected": "a"}],
            r"pairs\.jsonl.*1.*rejected.*another text",
        ),
    ],
)
def test_a_bad_pair_is_named(rows, message, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=message):
        read_preferences(path, 4)


@pytest.mark.parametrize(
    ("name", "value"), [("method", "lora"), ("accelerate", "fsdp"), ("accelerate", "zero3")]
)
def test_what_is_not_trained_on_pairs_is_refused(llama, pairs, tmp_path, name, value):
    with pytest.raises(ConfigError, match=rf"training\.{name}: expected .*; found {value}"):
        launch(job_in(tmp_path, llama, pairs, **{name: value}))
    assert not (tmp_path / "work").exists()


def test_encoding_counts_the_cut_responses(llama):
    chat = load_format(llama, "own")
    whole = encode_pairs(PAIRS, chat, 10_000)
    lengths = [
        len(each["prompt_ids"]) + len(each[side])
        for each in whole.examples
        for side in ("chosen_ids", "rejected_ids")
    ]
    limit = sorted(lengths)[12]
    assert whole.truncated == 0
    cut = encode_pairs(PAIRS, chat, limit)
    assert isinstance(cut, EncodedPairs)
    assert cut.truncated == sum(length > limit for length in lengths) > 0


def test_two_processes_train_as_one_does(llama, pairs, tmp_path, monkeypatch):
    settings = SETTINGS.model_copy(update={"num_train_epochs": 1})
    jobs = [
        job_in(tmp_path / name, llama, pairs, settings=settings, optim="adamw_torch")
        for name in ("one", "two")
    ]
    prefer(jobs[0])
    (tmp_path / "two").mkdir()
    jobs[1].write(tmp_path / "two.json")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "selfalign.train.prefer", str(tmp_path / "two.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = (list(read_jsonl(job.metrics)) for job in jobs)
    for name in ("loss", "rewards/margins", "rewards/accuracies", "logps/chosen"):
        assert [row[name] for row in two] == pytest.approx([row[name] for row in one], rel=1e-4, abs=1e-5)
    weights = [AutoModelForCausalLM.from_pretrained(job.out).state_dict() for job in jobs]
    for name, each in weights[0].items():
        torch.testing.assert_close(each, weights[1][name], rtol=0, atol=2e-5)


def test_devices_that_cannot_share_a_step_equally_are_refused(llama, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 3)
    monkeypatch.setattr(TrainingArguments, "world_size", 3)
    job = job_in(tmp_path, llama, pairs)
    with pytest.raises(
        ConfigError, match=r"gradient_accumulation_steps is 4; expected a multiple of the 3 dev"
    ):
        build_trainer(job, EncodedPairs([{}] * 10, 0))
