"""Start a training: check everything that can be checked without a model, then hand it to ``accelerate launch``."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.model_config import read_model_config
from selfalign.core.process import die_with_parent
from selfalign.train.architecture import check_weights, zero_dropout
from selfalign.train.attention import choose_attention
from selfalign.train.data import encode, load_tokenizer, read_pairs
from selfalign.train.job import TrainingJob

logger = logging.getLogger(__name__)
# glibc gives large blocks back to the kernel and gets them anew, zeroed page by page, for every layer of every batch. A
# training that keeps them, in large pages, is faster by a tenth on a CPU; it takes as much memory more.
KEPT_MEMORY = "glibc.malloc." + ":glibc.malloc.".join(
    ("mmap_max=0", "trim_threshold=17179869184", "top_pad=67108864", "hugetlb=1")
)
CONFIGURATIONS = Path(__file__).resolve().parents[3] / "envs" / "accelerate"


def launch(job: TrainingJob, threads: int | None = None, log: str | Path | None = None) -> None:
    """Train: write ``job.out`` and ``job.metrics``, going on from where a killed run of the same job got to.

    Args:
        threads: processor cores to compute with; all there are by default.
        log: file that the training processes write to; standard error by default.

    Raises:
        DataError, ConfigError: data, model or recipe do not fit; nothing was started.
        InfrastructureError: the training processes failed; says why, if they said it, and where their messages are.
    """
    # Imported for its name, and so that the fingerprint of the rule's code reaches what is launched.
    from selfalign.train import run

    check(job)
    for other in job.work.iterdir() if job.work.is_dir() else ():
        if other.name != job.key:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    description = job.checkpoints / "job.json"
    job.write(description)
    job.failure.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *accelerate_arguments(job.config.accelerate, threads or len(os.sched_getaffinity(0))),
        *("-m", run.__name__, str(description)),
    ]
    logger.info("starting %s", " ".join(command))
    with open(log or os.devnull, "a", encoding="utf-8") as handle:  # noqa: PTH123
        output = handle if log else None
        done = subprocess.run(
            command,
            stdout=output,
            stderr=output,
            env={**memory_settings(), **os.environ},
            check=False,
            preexec_fn=die_with_parent,
        )
    if done.returncode:
        told = job.failure.read_text(encoding="utf-8") if job.failure.exists() else None
        why = f"training failed: {told}" if told else f"training ended with exit status {done.returncode}"
        raise InfrastructureError(why + (f"; its messages are in {log}" if log else ""))
    shutil.rmtree(job.work)


def check(job: TrainingJob) -> None:
    """Check data, model and recipe without loading the model.

    Raises:
        DataError, ConfigError: the first thing that does not fit.
    """
    rows = read_pairs(job.dataset, job.config.min_rows)
    known = read_model_config(job.base)
    zero_dropout(known, job.base)
    choose_attention(job.config, known)
    tokenizer = load_tokenizer(job.base)
    check_weights(job.base, len(tokenizer), known.get("vocab_size"))
    encoded = encode(rows, tokenizer, job.config.max_length, job.dataset)
    logger.info(
        "%d rows, %d of them cut at %d tokens", len(encoded), encoded.truncated, job.config.max_length
    )


def memory_settings() -> dict[str, str]:
    """Return the environment that makes a training on a CPU keep the memory it has had; nothing where there is a GPU."""
    import torch

    return {} if torch.cuda.is_available() else {"GLIBC_TUNABLES": KEPT_MEMORY}


def accelerate_arguments(name: str, threads: int) -> list[str]:
    """Return the arguments of ``accelerate launch`` for a configuration by name, by file or ``auto``.

    Raises:
        ConfigError: there is no such configuration.
    """
    import torch

    devices = torch.cuda.device_count()
    if name == "auto":
        name = "cpu" if not devices else "gpu" if devices == 1 else "ddp"
    file = Path(name) if Path(name).suffix else CONFIGURATIONS / f"{name}.yaml"
    if not file.exists():
        known = ", ".join(sorted(each.stem for each in CONFIGURATIONS.glob("*.yaml")))
        raise ConfigError(
            f"configuration: 'training.accelerate' is {name!r}; expected auto, {known} or a file"
        )
    # Quiet: where a process fails, its own messages are enough, without the launcher's traceback.
    arguments = ["--quiet", "--config_file", str(file), "--num_cpu_threads_per_process", str(threads)]
    if name in ("ddp", "fsdp", "zero3"):
        arguments += ["--num_processes", str(max(devices, 1))]
    return arguments
