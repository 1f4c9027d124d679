"""A killed training goes on from its last whole checkpoint and ends with the same bytes."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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


def reached(path: Path) -> int:
    number = path.name.partition("-")[2]
    return int(number) if number.isdigit() else 0


@pytest.mark.parametrize("tear", ["cut", "missing", "unsealed"])
def test_a_torn_checkpoint_is_left_out_with_a_warning(llama, dataset, tmp_path, uninterrupted, tear, caplog):
    job = job_in(tmp_path, llama, dataset)
    train(job)
    newest = job.checkpoints / f"checkpoint-{STEPS}"
    if tear == "cut":
        weights = newest / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    elif tear == "missing":
        (newest / "optimizer.pt").unlink()
    else:
        (newest / checkpoints.LIST).unlink()
    with caplog.at_level(logging.INFO):
        train(job)
    assert f"checkpoint-{STEPS} (its writing was interrupted)" in caplog.text
    assert f"checkpoint-{STEPS - 1}" in caplog.text.partition("resuming from")[2]
    assert files(job.out) == uninterrupted


def test_another_recipe_does_not_go_on_from_these_checkpoints(llama, dataset, tmp_path):
    job = job_in(tmp_path, llama, dataset)
    other = TrainingJob(**{**vars(job), "config": RECIPE.model_copy(update={"learning_rate": 2e-3})})
    kept = TrainingJob(
        **{**vars(job), "config": RECIPE.model_copy(update={"save_steps": 7, "report_to": []})}
    )
    assert other.checkpoints != job.checkpoints
    assert kept.checkpoints == job.checkpoints
