"""Start a training: check the inputs without loading the model, then run ``accelerate launch``."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from selfalign.core.chat import ChatFormat
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.model_config import read_model_config
from selfalign.core.process import die_with_parent
from selfalign.train.adapters import check_adapter
from selfalign.train.architecture import check_weights, zero_dropout
from selfalign.train.attention import choose_attention
from selfalign.train.batching import BatchSchedule
from selfalign.train.data import encode, load_format, read_pairs
from selfalign.train.job import TrainingJob

logger = logging.getLogger(__name__)
# By default glibc returns large blocks to the kernel and requests them again, zeroed page by page, for every layer of
# every batch. Keeping them, in huge pages, makes training on a CPU a tenth faster and uses a tenth more memory.
KEPT_MEMORY = "glibc.malloc." + ":glibc.malloc.".join(
    ("mmap_max=0", "trim_threshold=17179869184", "top_pad=67108864", "hugetlb=1")
)
# Prefixes of environment variables by which accelerate's settings are chosen where its configuration leaves them open.
OVERRIDES = ("ACCELERATE_", "FSDP_", "MEGATRON_LM_", "PARALLELISM_CONFIG_")
CONFIGURATIONS = Path(__file__).resolve().parents[3] / "envs" / "accelerate"


def launch(job: TrainingJob, threads: int | None = None, log: str | Path | None = None) -> None:
    """Train, resuming from the last checkpoint of an interrupted run of the same job.

    Args:
        job: the training; writes its `out` and `metrics`.
        threads: number of CPU threads; None: one per available core.
        log: log file of the training processes; None: standard error.

    Raises:
        DataError: the dataset or the checkpoint is unusable; nothing was started.
        ConfigError: the configuration does not fit the model; nothing was started.
        InfrastructureError: a training process failed; the message has the reason, if known, and the log file.
    """
    # Imported for its name, and so that the code fingerprint of the rule covers the launched module.
    from selfalign.train import run

    check(job)
    start_processes(job, run.__name__, threads, log)


def start_processes(
    job: TrainingJob,
    module: str,
    threads: int | None = None,
    log: str | Path | None = None,
    *,
    what: str = "training",
) -> None:
    """Run the processes of a training, with accelerate, and wait for them.

    Args:
        job: the training.
        module: name of the module to run, with the description of the job as its argument.
        threads: number of CPU threads; None: one per available core.
        log: log file of the training processes; None: standard error.
        what: name of the training, for messages.

    Raises:
        ConfigError: the accelerate configuration does not exist; nothing was started.
        InfrastructureError: a training process failed; the message has the reason, if known, and the log file.
    """
    for other in job.work.iterdir() if job.work.is_dir() else ():
        if other.name != job.key:
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    description = job.checkpoints / "job.json"
    job.write(description)
    job.failure.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-P", "-m", "accelerate.commands.launch"),
        *accelerate_arguments(job.config.accelerate, threads or len(os.sched_getaffinity(0))),
        *("-m", module, str(description)),
    ]
    logger.info("starting %s", " ".join(command))
    with open(log or os.devnull, "a", encoding="utf-8") as handle:  # noqa: PTH123 - text or Path
        output = handle if log else None
        done = subprocess.run(
            command,
            stdout=output,
            stderr=output,
            env={**memory_settings(), **_environment(job)},
            check=False,
            preexec_fn=die_with_parent,
        )
    if done.returncode:
        message = job.failure.read_text(encoding="utf-8") if job.failure.exists() else None
        why = f"{what} failed: {message}" if message else f"{what} ended with exit status {done.returncode}"
        raise InfrastructureError(why + (f"; see {log}" if log else ""))
    shutil.rmtree(job.work)


def check(job: TrainingJob) -> None:
    """Check dataset, checkpoint and configuration without loading the model.

    Args:
        job: the training.

    Raises:
        DataError: the dataset or the checkpoint is unusable.
        ConfigError: the configuration does not fit the model.
    """
    rows = read_pairs(job.dataset, job.config.min_rows)
    chat = check_model(job)
    if job.config.method != "full":
        check_adapter(job.config, job.base)
    encoded = encode(rows, chat, job.config.max_length, job.dataset)
    plan = BatchSchedule([len(row["input_ids"]) for row in encoded.examples], job.config)
    if job.intermediate is not None and not plan.steps_before_last(job.kept_steps):
        raise ConfigError(
            f"configuration: 'evaluation.checkpoints' is {job.kept_steps}, but the training has {plan.steps} steps and "
            f"'training.save_steps' is {job.config.save_steps}, so that no checkpoint precedes the last one; expected fewer "
            f"than {plan.steps} steps between checkpoints"
        )
    logger.info(
        "%d rows, %d of them cut at %d tokens", len(encoded), encoded.truncated, job.config.max_length
    )


def check_model(job: TrainingJob) -> ChatFormat:
    """Check checkpoint and configuration without loading the weights; return the format of the rows.

    Args:
        job: the training.

    Raises:
        DataError: the checkpoint is unusable.
        ConfigError: the configuration does not fit the model.
    """
    known = read_model_config(job.base)
    check_trackers(job.config)
    zero_dropout(known, job.base)
    choose_attention(job.config, known)
    chat = load_format(job.base, job.config.layout)
    check_weights(job.base, len(chat.tokenizer), known.get("vocab_size"))
    return chat


def check_trackers(config: TrainingConfig) -> None:
    """Check that the packages of the experiment trackers are installed.

    Args:
        config: training configuration.

    Raises:
        ConfigError: a package is missing.
    """
    for tracker in config.report_to:
        if importlib.util.find_spec(tracker) is None:
            raise ConfigError(
                f"training.report_to: {tracker!r} is not installed in the environment of the training; "
                f"install it (pip install {tracker}) or remove it from the list"
            )


def _environment(job: TrainingJob) -> dict[str, str]:
    """Return the environment of the training.

    It is this process's, without variables that change accelerate's configuration. The files of TensorBoard are beside
    the tuned checkpoint, since the directory of the checkpoints to resume from, its default, is removed at the end; those
    of each training are in a directory of their own, since the trainings of a learning curve are beside one another.
    trl would report the kind of model and data to the hub.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OVERRIDES)}
    events = str((job.out.with_name("tensorboard") / job.out.name).absolute())
    return {
        "TENSORBOARD_LOGGING_DIR": events,
        **inherited,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONSAFEPATH": "1",
    }


def memory_settings() -> dict[str, str]:
    """Return environment variables that make glibc keep freed memory; empty if there is a GPU."""
    import torch

    return {} if torch.cuda.is_available() else {"GLIBC_TUNABLES": KEPT_MEMORY}


def accelerate_arguments(name: str, threads: int) -> list[str]:
    """Return the arguments of ``accelerate launch``.

    Args:
        name: ``auto``, name of a configuration in ``envs/accelerate``, or a file.
        threads: number of CPU threads per process.

    Raises:
        ConfigError: the configuration does not exist.
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
    # Quiet: the message of the failing process is enough without the launcher's traceback.
    arguments = ["--quiet", "--config_file", str(file), "--num_cpu_threads_per_process", str(threads)]
    if name in ("ddp", "fsdp", "zero3"):
        arguments += ["--num_processes", str(max(devices, 1))]
    return arguments
