"""What is to be trained, as it is handed from the launcher to the processes it launches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfalign.core.checkpoint import read_identity
from selfalign.core.config.base import validate_section
from selfalign.core.config.training import TrainingConfig
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.jsonl import read_json, write_json


@dataclass(frozen=True)
class TrainingJob:
    """A training: the recipe, what goes in, where what comes out goes.

    Args:
        base: directory of the checkpoint to start from.
        dataset: JSON Lines of rows with `instruction` and `response`.
        out: directory of the tuned checkpoint.
        metrics: JSON Lines, a row a step.
        work: directory for checkpoints to resume from, outside `out`.
        title: what the base model is called, for the model card.
    """

    config: TrainingConfig
    base: Path
    dataset: Path
    out: Path
    metrics: Path
    work: Path
    title: str = "the base model"

    @property
    def key(self) -> str:
        """Name of exactly this training: recipe, data and base decide it, and nothing else."""
        return json_sha256([self.config.decisive(), file_sha256(self.dataset), read_identity(self.base)])[:16]

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints of exactly this training."""
        return self.work / self.key

    @property
    def failure(self) -> Path:
        """File in which a process that fails leaves the line that says why."""
        return self.checkpoints / "failure.txt"

    def write(self, path: Path) -> None:
        """Write the job for :meth:`read`."""
        write_json(path, {k: v if k == "config" else str(v) for k, v in self._fields().items()})

    def _fields(self) -> dict[str, Any]:
        return {**asdict(self), "config": self.config.model_dump()}

    @classmethod
    def read(cls, path: Path) -> TrainingJob:
        """Read what :meth:`write` wrote."""
        value = read_json(path)
        config = validate_section(TrainingConfig, value.pop("config"), "training")
        title = value.pop("title")
        return cls(config=config, title=title, **{name: Path(text) for name, text in value.items()})
