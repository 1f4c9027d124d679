"""A killed training goes on from its last whole checkpoint and ends with the same bytes."""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from selfalign.core.checkpoint import read_identity
from selfalign.core.config.training import TrainingConfig
from selfalign.train import checkpoints
from selfalign.train.job import TrainingJob
from selfalign.train.run import train

RECIPE = TrainingConfig(
    learning_rate=1e-3,
    gradient_accumulation_steps=4,
    num_train_epochs=2,
    max_steps=-1,
    max_length=200,
    packed_tokens=300,
    save_steps=1,
    save_total_limit=2,
)
STEPS = 12
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def job_in(directory: Path, base: Path, dataset: Path) -> TrainingJob:
    return TrainingJob(
        config=RECIPE,
        base=base,
        dataset=dataset,
        out=directory / "tuned",
        metrics=directory / "metrics.jsonl",
        work=directory / "work",
    )


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def uninterrupted(llama, dataset, tmp_path_factory) -> dict[str, bytes]:
    job = job_in(tmp_path_factory.mktemp("whole"), llama, dataset)
    train(job)
    found = checkpoints.last_whole(job.checkpoints)
    assert found is not None
    assert found.name == f"checkpoint-{STEPS}"
    assert len(list(job.checkpoints.glob("checkpoint-*"))) == RECIPE.save_total_limit
    return files(job.out)


def test_killed_again_and_again_it_ends_with_the_same_files(llama, dataset, tmp_path, uninterrupted):
    job = job_in(tmp_path, llama, dataset)
    job.checkpoints.mkdir(parents=True)
    job.write(tmp_path / "job.json")
    command = [sys.executable, "-m", "selfalign.train.run", str(tmp_path / "job.json")]
    chance = random.Random()
    kills = 0
    for step in (chance.randrange(1, STEPS // 2), chance.randrange(STEPS // 2, STEPS)):
        with subprocess.Popen(command, env=ONE_THREAD, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                # Its directory appears before its files: some kills tear it.
                if any(reached(path) >= step for path in job.checkpoints.glob("checkpoint-*")):
                    time.sleep(chance.random() / 50)
                    break
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        assert not job.out.exists() or process.returncode == 0
    assert kills
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resuming from" in done.stderr
    assert files(job.out) == uninterrupted


def test_launcher_and_launched_look_for_checkpoints_in_the_same_place(llama, dataset, tmp_path):
    for config in (TrainingConfig(), TrainingConfig(num_train_epochs=2, learning_rate=1), RECIPE):
        job = TrainingJob(**{**vars(job_in(tmp_path, llama, dataset)), "config": config})
        job.write(tmp_path / "job.json")
        assert TrainingJob.read(tmp_path / "job.json") == job
        assert TrainingJob.read(tmp_path / "job.json").checkpoints == job.checkpoints


@pytest.mark.parametrize("optim", ["adafactor", "adamw_torch"])
def test_ten_and_ten_steps_in_bfloat16_are_twenty(llama, dataset, tmp_path, optim):
    changes = {"precision": "bfloat16", "optim": optim, "num_train_epochs": 4.0, "max_steps": 20}
    config = RECIPE.model_copy(update={**changes, "save_steps": 10})
    job = TrainingJob(**{**vars(job_in(tmp_path, llama, dataset)), "config": config})
    train(job)
    whole = files(job.out)
    rows = job.metrics.read_text()
    shutil.rmtree(job.checkpoints / "checkpoint-20")
    last = checkpoints.last_whole(job.checkpoints)
    assert last is not None
    assert last.name == "checkpoint-10"
    train(job)
    assert files(job.out) == whole
    losses = [
        [json.loads(line)["loss"] for line in text.splitlines()] for text in (rows, job.metrics.read_text())
    ]
    assert len(losses[0]) == 20
    assert losses[0] == losses[1]


def reached(path: Path) -> int:
    number = path.name.partition("-")[2]
    return int(number) if number.isdigit() else 0


REASONS = dict.fromkeys(("cut", "missing", "unsealed", "foreign list"), "its writing was interrupted") | {
    "changed": "the content of model.safetensors is not what was written"
}


@pytest.mark.parametrize("tear", REASONS)
def test_a_torn_checkpoint_is_left_out_with_a_warning(llama, dataset, tmp_path, uninterrupted, tear, caplog):
    job = job_in(tmp_path, llama, dataset)
    train(job)
    newest = job.checkpoints / f"checkpoint-{STEPS}"
    if tear == "cut":
        weights = newest / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    elif tear == "missing":
        (newest / "optimizer.pt").unlink()
    elif tear == "changed":
        weights = newest / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-100] ^= 1
        weights.write_bytes(content)
    elif tear == "foreign list":
        (newest / checkpoints.LIST).write_text('{"model.safetensors": 3}')
    else:
        (newest / checkpoints.LIST).unlink()
    with caplog.at_level(logging.INFO):
        train(job)
    assert f"checkpoint-{STEPS} ({REASONS[tear]})" in caplog.text
    assert f"checkpoint-{STEPS - 1}" in caplog.text.partition("resuming from")[2]
    assert files(job.out) == uninterrupted


def test_a_checkpoint_is_synced_before_it_is_sealed(tmp_path, monkeypatch):
    checkpoint = tmp_path / "checkpoint-1"
    (checkpoint / "inner").mkdir(parents=True)
    for name in ("weights", "inner/optimizer"):
        (checkpoint / name).write_bytes(b"content")
    synced = []
    fsync = os.fsync

    def recorded(descriptor):
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        synced.append((path, (checkpoint / checkpoints.LIST).exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    checkpoints.seal(checkpoint)
    before = {path for path, sealed in synced if not sealed}
    assert before >= {str(checkpoint / name) for name in ("weights", "inner/optimizer", "inner")}
    assert str(checkpoint) in before
    assert (str(checkpoint), True) in synced
    assert checkpoints.last_whole(tmp_path) == checkpoint


def test_the_last_checkpoint_is_kept_until_the_next_is_sealed(llama, dataset, tmp_path, monkeypatch):
    config = RECIPE.model_copy(update={"max_steps": 2, "save_total_limit": 1})
    job = TrainingJob(**{**vars(job_in(tmp_path, llama, dataset)), "config": config})
    there = []
    seal = checkpoints.seal

    def observed(checkpoint):
        there.append(sorted(path.name for path in job.checkpoints.glob("checkpoint-*")))
        seal(checkpoint)

    monkeypatch.setattr(checkpoints, "seal", observed)
    train(job)
    assert there == [["checkpoint-1"], ["checkpoint-1", "checkpoint-2"]]
    assert [path.name for path in job.checkpoints.glob("checkpoint-*")] == ["checkpoint-2"]


def test_another_recipe_does_not_go_on_from_these_checkpoints(llama, dataset, tmp_path):
    job = job_in(tmp_path, llama, dataset)
    other = TrainingJob(**{**vars(job), "config": RECIPE.model_copy(update={"learning_rate": 2e-3})})
    kept = TrainingJob(
        **{**vars(job), "config": RECIPE.model_copy(update={"save_steps": 7, "report_to": []})}
    )
    assert other.checkpoints != job.checkpoints
    assert kept.checkpoints == job.checkpoints


@pytest.mark.parametrize(
    ("kept_steps", "save_steps", "names"), [("each_epoch", 1, ["step-6"]), ("all", 5, ["step-10", "step-5"])]
)
def test_intermediate_checkpoints_are_whole_and_change_nothing(
    llama, dataset, tmp_path, uninterrupted, kept_steps, save_steps, names
):
    config = RECIPE.model_copy(update={"save_steps": save_steps})
    job = replace(
        job_in(tmp_path, llama, dataset),
        config=config,
        intermediate=tmp_path / kept_steps,
        kept_steps=kept_steps,
    )
    assert job.key != job_in(tmp_path, llama, dataset).key
    train(job)
    different = {"trainer_state.json", "selfalign.json"} if save_steps > 1 else set()  # they state save_steps
    found = files(job.out)
    assert {name for name, content in uninterrupted.items() if found[name] != content} == different
    assert sorted(path.name for path in (tmp_path / kept_steps).iterdir()) == names
    for name in names:
        kept = files(tmp_path / kept_steps / name)
        assert {"config.json", "model.safetensors", "selfalign.json", "tokenizer.json"} <= kept.keys()
        assert kept["model.safetensors"] != uninterrupted["model.safetensors"]
        assert not {"training_args.bin", checkpoints.LIST} & kept.keys()
    job.write(tmp_path / "job.json")
    assert TrainingJob.read(tmp_path / "job.json") == job


def test_a_resumed_training_has_the_intermediate_checkpoints_of_before(llama, dataset, tmp_path):
    job = replace(job_in(tmp_path, llama, dataset), intermediate=tmp_path / "each_epoch")
    train(job)
    before = files(tmp_path / "each_epoch/step-6")
    shutil.rmtree(tmp_path / "each_epoch")
    shutil.rmtree(job.checkpoints / f"checkpoint-{STEPS}")
    train(job)
    assert files(tmp_path / "each_epoch/step-6") == before


@pytest.mark.parametrize("merge", [True, False])
def test_an_intermediate_checkpoint_of_an_adapter_has_the_files_of_the_last_one(
    llama, dataset, tmp_path, merge
):
    config = TrainingConfig(**{**RECIPE.model_dump(), "method": "lora", "lora": {"r": 2, "merge": merge}})
    job = replace(job_in(tmp_path, llama, dataset), config=config, intermediate=tmp_path / "each_epoch")
    train(job)

    def names(directory):
        return {str(path.relative_to(directory)) for path in directory.rglob("*")}

    of_the_training = {"README.md", "trainer_state.json"}
    assert names(tmp_path / "each_epoch/step-6") == names(job.out) - of_the_training
    last, kept = (read_identity(each) for each in (job.out, tmp_path / "each_epoch/step-6"))
    assert last != kept
