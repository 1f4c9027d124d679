"""The training process: the published recipe with transformers' Trainer.

``accelerate launch`` runs this module once per device: ``python -m selfalign.train.run JOB.json``.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import rotate_checkpoints

from selfalign.core.checkpoint import hash_files, read_identity, write_card
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError, SelfalignError, explain
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import write_jsonl
from selfalign.core.model_config import read_model_config
from selfalign.core.process import configure_logging, die_with_parent
from selfalign.train import checkpoints
from selfalign.train.adapters import add_adapter, finish_adapter, merge_adapter, quantization
from selfalign.train.architecture import zero_dropout
from selfalign.train.attention import ROW_BY_ROW, choose_attention
from selfalign.train.batching import BatchSchedule
from selfalign.train.data import ChatFormat, Encoded, encode, load_format, read_pairs
from selfalign.train.flops import peak_flops
from selfalign.train.job import TrainingJob
from selfalign.train.model_card import write_model_card
from selfalign.train.trainer import Steps, StepTrainer

logger = logging.getLogger(__name__)
J = TypeVar("J", bound=TrainingJob)
# Metrics that depend on the machine or the batching; they are not part of the checkpoint, which is identified by its
# content.
COSTS = ("tokens_per_s", "padding_share", "flops", "mfu", "peak_memory_mb")
METRICS = ("step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", *COSTS)


def train(job: TrainingJob) -> None:
    """Fine-tune; write the checkpoint with the chat template of the rows, and one row of metrics per step.

    Args:
        job: the training.
    """
    rows = read_pairs(job.dataset, job.config.min_rows)
    chat = load_format(job.base, job.config.layout)
    tokenizer = chat.tokenizer
    encoded = encode(rows, chat, job.config.max_length, job.dataset)
    trainer = build_trainer(job.config, job.base, encoded, tokenizer, job.checkpoints)
    steps = trainer.steps.plan.steps_before_last(job.kept_steps) if job.intermediate is not None else ()
    kept = checkpoints.KeptCheckpoints(job.checkpoints, steps)
    trainer.add_callback(_Keep(trainer, kept))
    part = run_steps(trainer, job)
    trainer.save_model(str(weights_directory(job, part)))  # in all processes: a sharded model is gathered
    if not trainer.is_world_process_zero():
        return
    if job.intermediate is not None:
        write_intermediate(job, job.intermediate, kept, chat)
    complete(job, part, chat)
    logged = save_state(trainer, part, without_metrics=COSTS)
    identify(job, part)
    write_model_card(part, job, rows=rows, encoded=encoded, logged=logged, chat=chat)
    publish(part, job, logged, METRICS)
    if job.config.hub_model_id is not None:
        push(job.out, job.config.hub_model_id)


def run_steps(trainer: Trainer, job: TrainingJob) -> Path:
    """Train, from the last whole checkpoint of the same job if there is one.

    Args:
        trainer: the trainer.
        job: the training.

    Returns:
        the directory to write the final checkpoint in, which :func:`publish` renames.
    """
    last = checkpoints.last_whole(job.checkpoints) if trainer.is_world_process_zero() else None
    last = shared(trainer, last)
    if last is not None:
        logger.info("resuming from %s", last)
    part = job.out.with_name(f".{job.out.name}.part")
    if trainer.is_world_process_zero() and part.exists():
        shutil.rmtree(part)  # of a run that was killed while it saved, perhaps with other settings
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    return part


def save_state(trainer: Trainer, part: Path, *, without_metrics: Collection[str]) -> list[dict[str, Any]]:
    """Write the state of a finished training into its checkpoint; return the metrics, one row per step.

    The checkpoint is identified by its content, so it must not contain metrics that differ between runs.

    Args:
        trainer: the trainer.
        part: checkpoint directory.
        without_metrics: names of metrics that depend on more than the job.
    """
    logged = [row for row in trainer.state.log_history if "loss" in row]
    trainer.state.log_history = [without(row, without_metrics) for row in logged]
    trainer.state.save_to_json(str(part / "trainer_state.json"))
    return logged


def publish(part: Path, job: TrainingJob, logged: Iterable[dict[str, Any]], metrics: Iterable[str]) -> None:
    """Rename a complete checkpoint to the output of its job, and write the metrics.

    Args:
        part: checkpoint directory.
        job: the training.
        logged: metrics, one row per step.
        metrics: names of the metrics to write.
    """
    if job.out.exists():
        shutil.rmtree(job.out)
    part.rename(job.out)
    names = list(metrics)
    write_jsonl(job.metrics, ({name: row[name] for name in names if name in row} for row in logged))


def weights_directory(job: TrainingJob, part: Path) -> Path:
    """Return the directory of a checkpoint in which the Trainer saves weights: that of the adapter, if it is merged.

    Args:
        job: the training.
        part: directory of the checkpoint.
    """
    merged = job.config.method != "full" and job.config.lora.merge
    return part / "adapter" if merged else part


def complete(job: TrainingJob, part: Path, chat: ChatFormat) -> None:
    """Add what a checkpoint needs besides the saved weights: merged weights or configuration, and the tokenizer.

    Args:
        job: the training.
        part: directory of the checkpoint, with the weights in :func:`weights_directory`.
        chat: format of the rows.
    """
    saved = weights_directory(job, part)
    if job.config.method != "full":
        finish_adapter(saved, job.title)
        if saved != part:
            merge_adapter(load_model(job.config, job.base), saved).save_pretrained(part)
        else:
            AutoConfig.from_pretrained(job.base).save_pretrained(part)
    chat.tokenizer.chat_template = chat.template
    chat.tokenizer.save_pretrained(part)
    # The checkpoint is identified by its content, so it must not contain times or local paths.
    for arguments in part.rglob("training_args.bin"):
        arguments.unlink()


def identify(job: TrainingJob, part: Path) -> None:
    """Write the identity file of a checkpoint.

    Args:
        job: the training.
        part: directory of the checkpoint, with all files that identify it.
    """
    base = read_identity(job.base)
    is_adapter = job.config.method != "full" and not job.config.lora.merge
    # The completions of an adapter also depend on the base model that it is served with.
    identity = {"identity": json_sha256([base, hash_files(part)])} if is_adapter else {}
    write_card(
        part,
        **identity,
        base=base,
        dataset_sha256=file_sha256(job.dataset),
        training=job.config.decisive(),
    )


def write_intermediate(
    job: TrainingJob, out: Path, kept: checkpoints.KeptCheckpoints, chat: ChatFormat
) -> None:
    """Write the checkpoints before the last one, each as whole as the last one.

    Args:
        job: the training.
        out: directory to write.
        kept: their weights.
        chat: format of the rows.
    """
    whole = out.with_name(f".{out.name}.part")
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    for step in kept.steps:
        part = whole / kept.name(step)
        kept.copy(step, weights_directory(job, part))
        complete(job, part, chat)
        identify(job, part)
    if out.exists():
        shutil.rmtree(out)
    whole.rename(out)


def build_trainer(
    config: TrainingConfig, base: str | Path, encoded: Encoded, tokenizer: Any, work: str | Path
) -> StepTrainer:
    """Load the model and return the trainer.

    Args:
        config: training configuration.
        base: checkpoint directory of the base model.
        encoded: encoded rows.
        tokenizer: tokenizer of the base model.
        work: directory for checkpoints to resume from.

    Raises:
        ConfigError: the configured distribution does not work on the available devices.
    """
    set_seed(config.seed)
    lengths = [len(example["input_ids"]) for example in encoded.examples]
    # With sharding, transformers needs the arguments before the model is loaded.
    arguments = TrainingArguments(**trainer_options(config, work))
    check_processes(arguments)
    plan = BatchSchedule(lengths, config, arguments.world_size)
    arguments.max_steps = plan.steps
    if warmup := arguments.get_warmup_steps(plan.steps):
        logger.info("%d of %d steps are warm-up; the first of them has learning rate 0", warmup, plan.steps)
    attention = choose_attention(config, read_model_config(base))
    model = load_model(config, base, attn_implementation=attention, quantization_config=quantization(config))
    if config.method != "full":
        model = add_adapter(model, config)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return StepTrainer(
        Steps(encoded, plan, arguments.process_index, pad, share_prefix=attention == ROW_BY_ROW),
        model=model,
        args=arguments,
        peak_flops=peak_flops(config),
        callbacks=[Seal(config.save_total_limit)],
    )


def load_model(config: TrainingConfig, base: str | Path, **options: Any) -> Any:
    """Load the base model in the configured precision, without dropout.

    Args:
        config: training configuration.
        base: checkpoint directory of the base model.
        options: further arguments of ``from_pretrained``; None is left out.
    """
    return AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.bfloat16 if config.precision == "bfloat16" else torch.float32,
        **{name: value for name, value in options.items() if value is not None},
        **zero_dropout(read_model_config(base), base),
    )


def trainer_options(config: TrainingConfig, work: str | Path) -> dict[str, Any]:
    """Return the arguments of ``TrainingArguments``; :class:`Steps` does batching and accumulation.

    Args:
        config: training configuration.
        work: directory for checkpoints to resume from.
    """
    return {
        "output_dir": str(work),
        "learning_rate": config.learning_rate,
        "optim": config.optim,
        "lr_scheduler_type": config.lr_scheduler_type,
        "warmup_steps": config.warmup_ratio,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "max_grad_norm": 0.0,
        "bf16": config.precision == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),  # otherwise bfloat16 is refused on a CPU
        "gradient_checkpointing": config.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if config.gradient_checkpointing else None,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_steps": config.save_steps,
        "save_total_limit": None,  # see Seal
        "seed": config.seed,
        "data_seed": config.seed,
        "report_to": list(config.report_to),
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }


def check_processes(arguments: TrainingArguments) -> None:
    """Check that the started processes share the work.

    Args:
        arguments: arguments of the trainer.

    Raises:
        ConfigError: the configured distribution does not work on the available devices.
    """
    launched = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if launched != arguments.world_size:
        # Every process would train on all rows and write the same files (accelerate has no FSDP without a GPU).
        raise ConfigError(
            f"training.accelerate: {launched} processes were started, but accelerate shares the work among "
            f"{arguments.world_size}; this kind of distribution does not work on these devices"
        )


def shared(trainer: Trainer, value: Path | None) -> Path | None:
    """Broadcast a value from the first process to all.

    Args:
        trainer: the trainer.
        value: value in the first process.
    """
    from accelerate.utils import broadcast_object_list

    if trainer.accelerator.num_processes == 1:
        return value
    return broadcast_object_list([value])[0]


def without(row: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return a row without some fields.

    Args:
        row: row of metrics.
        names: fields to leave out.
    """
    return {name: value for name, value in row.items() if name not in names}


def push(directory: Path, repository: str) -> None:
    """Upload a checkpoint directory to a hub repository; create it, private, if it does not exist.

    Args:
        directory: checkpoint directory.
        repository: id of the repository.
    """
    from huggingface_hub import HfApi

    HfApi().create_repo(repository, private=True, exist_ok=True)
    HfApi().upload_folder(repo_id=repository, folder_path=directory)


class Seal(TrainerCallback):
    """Record the files of every checkpoint once all processes have written theirs, and only then remove older ones.

    Args:
        keep: number of checkpoints to keep.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        """Record the files of the new checkpoint, and remove the oldest.

        Args:
            args: arguments of the trainer.
            state: state of the trainer.
            control: not used.
        """
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            checkpoints.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
            rotate_checkpoints(args.output_dir, self.keep)


class _Keep(TrainerCallback):
    """Save the weights after the steps that are kept.

    Args:
        trainer: the trainer.
        kept: the steps.
    """

    def __init__(self, trainer: StepTrainer, kept: checkpoints.KeptCheckpoints) -> None:
        self.trainer = trainer
        self.kept = kept

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        step = state.global_step
        if step not in self.kept.steps:
            return
        self.trainer.save_model(str(self.kept.part(step)))  # in all processes: a sharded model is gathered
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            self.kept.keep(step)


def main() -> None:
    """Run the training described by the file in the only argument; see :func:`run_process`."""
    run_process(TrainingJob, train)


def run_process(kind: type[J], work: Callable[[J], None]) -> None:
    """Run a training process, whose job is described by the file in the only argument.

    On failure, write the error message for the launcher and exit with status 1. The traceback is logged for internal
    errors only.

    Args:
        kind: class of the job.
        work: what to do with it.
    """
    die_with_parent()
    configure_logging()
    job = kind.read(Path(sys.argv[1]))
    try:
        work(job)
    except Exception as error:
        line = str(error) if isinstance(error, SelfalignError) else explain(error)
        if line is None:
            logger.exception("training failed")
            line = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            logger.error("%s", line)
        job.checkpoints.mkdir(parents=True, exist_ok=True)
        job.failure.write_text(line, encoding="utf-8")
        sys.exit(1)


if __name__ == "__main__":
    main()
