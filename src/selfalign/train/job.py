"""Description of a training, passed from the launcher to the processes that it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from selfalign.core.checkpoint import read_identity
from selfalign.core.config.base import validate_section
from selfalign.core.config.training import TrainingConfig
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import read_json, write_json

KeptSteps = Literal["each_epoch", "all"]
# Fields of a job that are paths.
PATHS = ("base", "dataset", "out", "metrics", "work", "intermediate")


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
        return json_sha256(self._decisive())[:16]

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints of this training."""
        return self.work / self.key

    @property
    def failure(self) -> Path:
        """File in which a failing process writes its error message."""
        return self.checkpoints / "failure.txt"

    def _decisive(self) -> list[Any]:
        parts: list[Any] = [self.config.decisive(), file_sha256(self.dataset), read_identity(self.base)]
        if self.intermediate is not None:
            parts.append([self.kept_steps, self.config.save_steps if self.kept_steps == "all" else None])
        return parts

    def write(self, path: Path) -> None:
        """Write the description for :meth:`read`.

        Args:
            path: JSON file to write.
        """
        fields = {**asdict(self), "config": self.config.model_dump()}
        write_json(path, {k: str(v) if isinstance(v, Path) else v for k, v in fields.items()})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a description written by :meth:`write`.

        Args:
            path: JSON file.
        """
        value: dict[str, Any] = read_json(path)
        value["config"] = validate_section(TrainingConfig, value["config"], "training")
        value.update({name: Path(value[name]) for name in PATHS if value[name] is not None})
        return cls(**value)
