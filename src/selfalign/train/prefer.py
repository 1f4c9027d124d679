"""Training on preferences: direct preference optimization (DPO) of the fine-tuned model, with trl's DPOTrainer.

``accelerate launch`` runs this module once per device: ``python -m selfalign.train.prefer JOB.json``. The loss is the
sigmoid loss of Rafailov et al. (2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
arXiv:2305.18290); the reference model is the fine-tuned one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from selfalign.core.chat import ChatFormat
from selfalign.core.checkpoint import read_identity, write_card
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.core.model_config import read_model_config
from selfalign.train.attention import choose_attention
from selfalign.train.batching import BatchSchedule
from selfalign.train.data import encode, load_format
from selfalign.train.job import TrainingJob
from selfalign.train.launch import check_model, start_processes
from selfalign.train.model_card import NOT_OF_PAIRS, write_preference_card
from selfalign.train.run import (
    Seal,
    check_processes,
    complete,
    load_model,
    publish,
    run_process,
    run_steps,
    save_state,
    trainer_options,
)
from selfalign.train.trainer import keep_state_types

logger = logging.getLogger(__name__)
REWARDS = tuple(f"rewards/{name}" for name in ("chosen", "rejected", "accuracies", "margins"))
LOG_PROBABILITIES = ("logps/chosen", "logps/rejected")
METRICS = ("step", "epoch", "loss", "learning_rate", "grad_norm", *REWARDS, *LOG_PROBABILITIES)
# trl counts the tokens since the process started, not since the training did.
NOT_RESUMED = ("num_tokens",)


@dataclass(frozen=True)
class PreferenceJob(TrainingJob):
    """Configuration, inputs and outputs of a training on preferences.

    Args:
        config: training configuration, by :meth:`selfalign.core.config.preferences.PreferencesConfig.training`.
        base: checkpoint directory of the fine-tuned model.
        dataset: JSON Lines file with ``instruction``, ``chosen`` and ``rejected``.
        beta: strength of the penalty for deviations from the fine-tuned model.
    """

    beta: float = 0.1

    def _decisive(self) -> list[Any]:
        return [*super()._decisive(), self.beta]


@dataclass(frozen=True)
class EncodedPairs:
    """Encoded pairs.

    Attributes:
        examples: ``prompt_ids``, ``chosen_ids`` and ``rejected_ids`` of each pair.
        truncated: number of responses cut at the maximum length.
    """

    examples: list[dict[str, list[int]]]
    truncated: int


def launch(job: PreferenceJob, threads: int | None = None, log: str | Path | None = None) -> None:
    """Train on preferences, resuming from the last checkpoint of an interrupted run of the same job.

    Args:
        job: the training; writes its `out` and `metrics`.
        threads: number of CPU threads; None: one per available core.
        log: log file of the training processes; None: standard error.

    Raises:
        DataError: the pairs or the checkpoint are unusable; nothing was started.
        ConfigError: the configuration does not fit the model; nothing was started.
        InfrastructureError: a training process failed; the message has the reason, if known, and the log file.
    """
    if job.config.method != "full":
        raise ConfigError(
            f"training.method: expected full, since adapters are not trained on pairs; found {job.config.method}"
        )
    if job.config.accelerate in ("fsdp", "zero3"):
        raise ConfigError(
            "training.accelerate: expected auto, cpu, gpu, ddp or a file, since the training on pairs does not shard its two "
            f"models; found {job.config.accelerate}"
        )
    pairs = read_preferences(job.dataset, job.config.min_rows)
    encoded = encode_pairs(pairs, check_model(job), job.config.max_length, job.dataset)
    logger.info(
        "%d pairs, %d responses cut at %d tokens", len(pairs), encoded.truncated, job.config.max_length
    )
    start_processes(job, __name__, threads, log, what="training on preferences")


def prefer(job: PreferenceJob) -> None:
    """Train on preferences; write the checkpoint with the tokenizer of the fine-tuned one, and metrics of every step.

    Args:
        job: the training.
    """
    pairs = read_preferences(job.dataset, job.config.min_rows)
    chat = load_format(job.base, job.config.layout)
    encoded = encode_pairs(pairs, chat, job.config.max_length, job.dataset)
    trainer = build_trainer(job, encoded)
    part = run_steps(trainer, job)
    trainer.save_model(str(part))  # in all processes
    if not trainer.is_world_process_zero():
        return
    complete(job, part, chat)
    logged = save_state(trainer, part, without_metrics=NOT_RESUMED)
    settings = {name: value for name, value in job.config.decisive().items() if name not in NOT_OF_PAIRS}
    write_card(
        part,
        base=read_identity(job.base),
        dataset_sha256=file_sha256(job.dataset),
        preferences={"beta": job.beta, **settings},
    )
    write_preference_card(
        part, job, pairs=pairs, truncated=encoded.truncated, logged=logged, chat=chat, beta=job.beta
    )
    publish(part, job, logged, METRICS)


def build_trainer(job: PreferenceJob, encoded: EncodedPairs) -> Any:
    """Load the fine-tuned model twice, as policy and reference, and return trl's trainer.

    A step has the same pairs however many devices share it, except that the last one of an epoch may repeat some.

    Args:
        job: the training.
        encoded: the pairs.

    Raises:
        ConfigError: the configured distribution does not work on the available devices.
    """
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer  # pyright: ignore[reportPrivateImportUsage]

    class EncodedPairsTrainer(DPOTrainer):
        """DPOTrainer for encoded pairs.

        Given texts, it would encode prompt and response together, append an end-of-sequence token, and use the chat
        template for messages only: other token ids than those of the fine-tune.
        """

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    config = job.config
    arguments = DPOConfig(
        **{
            **trainer_options(config, job.checkpoints),
            "per_device_train_batch_size": config.per_device_train_batch_size,
        },
        beta=job.beta,
        max_length=None,  # they are cut already
    )
    check_processes(arguments)
    accumulated, rest = divmod(config.gradient_accumulation_steps, arguments.world_size)
    if rest:
        raise ConfigError(
            f"preferences.gradient_accumulation_steps is {config.gradient_accumulation_steps}; expected a multiple of the "
            f"{arguments.world_size} devices that share a step"
        )
    arguments.gradient_accumulation_steps = accumulated
    arguments.max_steps = BatchSchedule([0] * len(encoded.examples), config).steps
    attention = choose_attention(config, read_model_config(job.base))
    policy, reference = (load_model(config, job.base, attn_implementation=attention) for _ in range(2))
    trainer = EncodedPairsTrainer(
        model=policy,
        ref_model=reference,
        args=arguments,
        train_dataset=Dataset.from_list(encoded.examples),
        processing_class=load_format(job.base, config.layout).tokenizer,
        callbacks=[Seal(config.save_total_limit), KeepSpecialTokens(policy)],
    )
    keep_state_types(trainer.create_optimizer())
    return trainer


class KeepSpecialTokens(TrainerCallback):
    """Restore the special tokens of a model's configurations after the training.

    A trainer that is given a tokenizer replaces them by those of the tokenizer. A server would then stop at other tokens
    than for the fine-tuned model.

    Args:
        model: the model, before the trainer is made.
    """

    def __init__(self, model: Any) -> None:
        names = [f"{name}_token_id" for name in ("bos", "eos", "pad")]
        self.kept = [
            (config, name, getattr(config, name, None))
            for config in (model.config, model.generation_config)
            for name in names
        ]

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        """Restore them.

        Args:
            args: not used.
            state: not used.
            control: not used.
        """
        for config, name, value in self.kept:
            setattr(config, name, value)


def read_preferences(path: str | Path, min_rows: int = 1) -> list[Record]:
    """Return the pairs of a dataset.

    Args:
        path: JSON Lines file with ``instruction``, ``chosen`` and ``rejected``.
        min_rows: required number of pairs.

    Raises:
        DataError: there are too few pairs, or a pair has a missing or empty field, or two equal responses.
    """
    pairs = []
    for number, record in read_numbered(path):
        for name in ("instruction", "chosen", "rejected"):
            if not require(record, name, str, file=path, number=number).strip():
                raise DataError("expected a text, found an empty one", file=path, record=number, field=name)
        if record["chosen"] == record["rejected"]:
            raise DataError(
                "expected another text than that of 'chosen'", file=path, record=number, field="rejected"
            )
        pairs.append(record)
    if len(pairs) < min_rows:
        raise DataError(
            f"expected at least {min_rows} pairs to train on (training.min_rows), found {len(pairs)}",
            file=path,
        )
    return pairs


def encode_pairs(
    pairs: list[Record], chat: ChatFormat, max_length: int, source: str | Path | None = None
) -> EncodedPairs:
    """Encode pairs as the fine-tune encodes rows: the same ids of prompt, response and special tokens, cut at `max_length`.

    Args:
        pairs: rows with ``instruction``, ``chosen`` and ``rejected``.
        chat: format of the rows.
        max_length: maximum length of prompt and response, in tokens.
        source: file of the pairs, for messages.

    Raises:
        DataError: an instruction alone fills `max_length`.
    """
    sides = {
        side: encode(
            [{"instruction": pair["instruction"], "response": pair[side]} for pair in pairs],
            chat,
            max_length,
            source,
        )
        for side in ("chosen", "rejected")
    }
    examples = []
    for pair, chosen, rejected in zip(pairs, *(sides[side].examples for side in sides), strict=True):
        prompt = len(chat.prompt_ids(pair["instruction"]))
        examples.append(
            {
                "prompt_ids": chosen["input_ids"][:prompt],
                "chosen_ids": chosen["input_ids"][prompt:],
                "rejected_ids": rejected["input_ids"][prompt:],
            }
        )
    return EncodedPairs(examples, sum(side.truncated for side in sides.values()))


if __name__ == "__main__":
    run_process(PreferenceJob, prefer)
