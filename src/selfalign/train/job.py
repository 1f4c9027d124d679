"""Description of a training, passed from the launcher to the processes that it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from selfalign.core.checkpoint import read_identity
from selfalign.core.config.base import validate_section
from selfalign.core.config.training import TrainingConfig
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import read_json, write_json

KeptSteps = Literal["each_epoch", "all"]


@dataclass(frozen=True)
class TrainingJob:
    """Configuration, inputs and outputs of a training.

    Args:
        config: training configuration.
        base: checkpoint directory of the base model.
        dataset: JSON Lines file with ``instruction`` and ``response``.
        out: checkpoint directory to write.
        metrics: JSON Lines file to write, one row per optimizer step.
        work: directory for checkpoints to resume from, outside `out`.
        title: name of the base model in the model card.
        intermediate: directory to write, with a checkpoint ``step-N`` for each kept step before the last one; None: only
            the last checkpoint is kept.
        kept_steps: steps before the last one whose checkpoints are kept: ``each_epoch``, the ends of epochs; ``all``,
            every `save_steps` steps.
    """

    config: TrainingConfig
    base: Path
    dataset: Path
    out: Path
    metrics: Path
    work: Path
    title: str = "the base model"
    intermediate: Path | None = None
    kept_steps: KeptSteps = "each_epoch"

    @property
    def key(self) -> str:
        """Identifier derived from configuration, dataset, base model and the checkpoints that are kept."""
        parts: list[Any] = [self.config.decisive(), file_sha256(self.dataset), read_identity(self.base)]
        if self.intermediate is not None:
            parts.append([self.kept_steps, self.config.save_steps if self.kept_steps == "all" else None])
        return json_sha256(parts)[:16]

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints of this training."""
        return self.work / self.key

    @property
    def failure(self) -> Path:
        """File in which a failing process writes its error message."""
        return self.checkpoints / "failure.txt"

    def write(self, path: Path) -> None:
        """Write the description for :meth:`read`.

        Args:
            path: JSON file to write.
        """
        write_json(path, {k: v if k == "config" or v is None else str(v) for k, v in self._fields().items()})

    def _fields(self) -> dict[str, Any]:
        return {**asdict(self), "config": self.config.model_dump()}

    @classmethod
    def read(cls, path: Path) -> TrainingJob:
        """Read a description written by :meth:`write`.

        Args:
            path: JSON file.
        """
        value = read_json(path)
        config = validate_section(TrainingConfig, value.pop("config"), "training")
        title, kept_steps, intermediate = (
            value.pop(name) for name in ("title", "kept_steps", "intermediate")
        )
        return cls(
            config=config,
            title=title,
            kept_steps=kept_steps,
            intermediate=Path(intermediate) if intermediate else None,
            **{name: Path(text) for name, text in value.items()},
        )
