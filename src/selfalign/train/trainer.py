"""transformers' Trainer on whole steps: one item of its data loader holds all batches of one optimizer step.

A step thus has the same rows and the same gradient however it is batched and on however many devices, the order of the
rows depends on the step number only, and resuming from a checkpoint means skipping the finished steps.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DistributedType
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback

from selfalign.train.batching import BatchSchedule, collate_packed, collate_padded, common_prefix, row_weights
from selfalign.train.data import IGNORED, Encoded
from selfalign.train.flops import ModelFlops


class Steps(Dataset):
    """The steps of a training as a dataset; an item holds the batches of one step for one process.

    Args:
        encoded: encoded rows.
        plan: assignment of rows to steps and batches.
        rank: number of the process.
        pad: token id for padding.
        share_prefix: compute the common prefix of a packed batch once; requires the row-by-row attention.
    """

    def __init__(
        self, encoded: Encoded, plan: BatchSchedule, rank: int, pad: int, *, share_prefix: bool = False
    ) -> None:
        self.encoded = encoded
        self.plan = plan
        self.rank = rank
        self.pad = pad
        self.share_prefix = share_prefix

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> dict[str, Any]:
        rows = self.plan.rows(step)
        examples = [self.encoded[row] for row in rows]
        weight_of = dict(zip(rows, row_weights(examples, self.plan.config.loss_weighting), strict=True))
        batches = []
        for batch, counts in self.plan.share(step, self.rank):
            weights = [weight_of[row] if counts else 0.0 for row in batch]
            chosen = [self.encoded[row] for row in batch]
            if self.plan.config.batching == "packed":
                shared = common_prefix(chosen) if self.share_prefix else 0
                batches.append(collate_packed(chosen, weights, shared=shared))
            else:
                batches.append(collate_padded(chosen, weights, self.pad))
        return {
            "batches": batches,
            "lengths": [self.plan.lengths[row] for row in rows],
            "padding_share": self.plan.padding_share(step),
        }


class StepTrainer(Trainer):
    """Trainer whose dataset items are whole optimizer steps.

    Args:
        steps: the steps.
        peak_flops: peak performance of one device, in FLOP/s; None: unknown, no utilisation is reported.
        kwargs: further arguments of the Trainer.
    """

    def __init__(self, steps: Steps, peak_flops: float | None = None, **kwargs: Any) -> None:
        super().__init__(train_dataset=steps, **kwargs)
        self.steps = steps
        self.add_callback(_EpochByRows(steps.plan.steps_per_epoch))
        # The token weights already scale the loss of a batch within its step.
        self.loss_is_scaled_for_ga = True
        model = self.accelerator.unwrap_model(self.model)
        # Of the base model: that of a model with an adapter passes on whatever it gets.
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.keeps_chosen_logits = "logits_to_keep" in inspect.signature(base.forward).parameters
        self.model_flops = ModelFlops.of(base)
        self.peak_flops = peak_flops
        self.step_costs: dict[str, float] = {}
        self.step_started = time.monotonic()

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return the optimizer, which loads its state in the types in which it was saved.

        Args:
            model: the model, if it is another than the Trainer's.
        """
        optimizer = super().create_optimizer(model)
        keep_state_types(optimizer)
        return optimizer

    def get_train_dataloader(self) -> DataLoader:
        """Return a loader of the steps in order; every process loads its own share of each step."""
        return DataLoader(self.steps, batch_size=1, shuffle=False, collate_fn=_only_item)

    def get_batch_samples(
        self,
        epoch_iterator: Any,
        num_batches: int,  # noqa: ARG002 - the Trainer's signature
        device: Any,  # noqa: ARG002 - the Trainer's signature
    ) -> tuple[list[Any], None]:
        """Return the next step as a list of one item, and None, since the token weights replace the number of items.

        Args:
            epoch_iterator: iterator over the steps.
            num_batches: not used; a step contains all of its batches.
            device: not used.
        """
        return [step for step in [next(epoch_iterator, None)] if step is not None], None

    def training_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        num_items_in_batch: Any = None,  # noqa: ARG002 - the Trainer's signature
    ) -> torch.Tensor:
        """Accumulate the gradients of a step's batches; return the loss of the step.

        Args:
            model: the model, as prepared by accelerate.
            inputs: an item of :class:`Steps`.
            num_items_in_batch: not used; the token weights replace it.
        """
        self.step_costs = {
            "tokens": sum(inputs["lengths"]),
            "padding_share": inputs["padding_share"],
            "flops": self.model_flops.of_rows(inputs["lengths"]),
        }
        total = torch.zeros((), device=self.args.device)
        sharded_by_deepspeed = self.accelerator.distributed_type == DistributedType.DEEPSPEED
        for batch in inputs["batches"]:
            last = batch is inputs["batches"][-1]
            # DeepSpeed's engine takes its step with the backward pass of a batch that synchronises.
            self.accelerator.gradient_state._set_sync_gradients(last)
            quiet = last or sharded_by_deepspeed
            with contextlib.nullcontext() if quiet else self.accelerator.no_sync(model=model):
                total += super().training_step(model, batch)
        return total

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002 - the Trainer's signature
    ) -> Any:
        """Return the share of a batch in the loss of its step, times the number of processes, which average gradients.

        Args:
            model: the model, as prepared by accelerate.
            inputs: a batch, of :func:`~selfalign.train.batching.collate_padded` or ``collate_packed``.
            return_outputs: also return the outputs of the model.
            num_items_in_batch: not used; the token weights replace it.
        """
        inputs = dict(inputs)
        labels, weights = inputs.pop("labels"), inputs.pop("weights")
        targets, weights = labels[:, 1:], weights[:, 1:]
        if labels.shape[0] == 1 and self.keeps_chosen_logits and "position_ids" in inputs:
            # Compute logits only at positions that predict a label: they take most of the memory.
            kept = (targets[0] != IGNORED).nonzero()[:, 0]
            inputs["logits_to_keep"] = kept
            targets, weights = targets[:, kept], weights[:, kept]
            outputs = model(**inputs, use_cache=False)
            logits = outputs.logits
        else:
            outputs = model(**inputs, use_cache=False)
            logits = outputs.logits[:, :-1]
        loss = weighted_loss(logits, targets, weights) * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:  # noqa: ARG002 - the Trainer's signature
        """Return 0: transformers cannot estimate steps that consist of batches."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add tokens, throughput, padding, operations, utilisation and peak memory to the metrics of a step."""
        if "loss" in logs:
            now = time.monotonic()
            seconds = now - self.step_started
            logs |= self.step_costs
            logs["tokens_per_s"] = round(logs["tokens"] / seconds, 1)
            if self.peak_flops is not None:
                peak = self.peak_flops * self.args.world_size
                logs["mfu"] = round(logs["flops"] / seconds / peak, 4)
            logs["peak_memory_mb"] = round(peak_memory_mb())
            self.step_started = now
        super().log(logs, start_time)


class _EpochByRows(TrainerCallback):
    """Report epochs by rows seen; for the Trainer, whose loader has all steps, the whole training is one epoch."""

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - the base's signature
        state.epoch = state.global_step / self.steps_per_epoch


def keep_state_types(optimizer: torch.optim.Optimizer) -> None:
    """Let an optimizer load its state in the saved types.

    PyTorch casts the state of a floating-point parameter to the type of the parameter
    (``Optimizer.load_state_dict``), but Adafactor keeps float32 moments of bfloat16 parameters: a resumed training
    would differ from an uninterrupted one.

    Args:
        optimizer: the optimizer; its hooks are changed.
    """
    loading: dict[str, Any] = {}

    def remember(_: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
        loading.update(saved)

    def restore(loaded: torch.optim.Optimizer) -> None:
        numbers = [number for group in loading["param_groups"] for number in group["params"]]
        parameters = [each for group in loaded.param_groups for each in group["params"]]
        for number, parameter in zip(numbers, parameters, strict=True):
            for name, value in loading["state"].get(number, {}).items():
                state = loaded.state[parameter]
                if isinstance(value, torch.Tensor) and value.dtype != state[name].dtype:
                    state[name] = value.to(state[name].device)
        loading.clear()

    optimizer.register_load_state_dict_pre_hook(remember)
    optimizer.register_load_state_dict_post_hook(restore)


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted sum of the token losses, in float32.

    Args:
        logits: (rows, positions, vocabulary), each position's prediction of its target.
        targets: int64, (rows, positions); -100 carries no loss.
        weights: float32, (rows, positions).
    """
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none", ignore_index=IGNORED
    )
    return (losses * weights.flatten()).sum()


def peak_memory_mb() -> float:
    """Return the peak memory of this process in MiB: GPU memory if there is a GPU, else resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # Not getrusage's maximum, which includes the parent's memory at the fork.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def _only_item(items: list[Any]) -> Any:
    return items[0]
