"""The files of a run that the report reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfalign.core.jsonl import Record, read_numbered

GENERATION = ("concepts", "instructions", "responses")


@dataclass(frozen=True)
class RunFiles:
    """Files of a run. Only the funnel is required; sections of the page without files are left out.

    Attributes:
        funnel: JSON of the funnel.
        statistics: JSON of the seed statistics.
        concepts: JSON Lines of the concepts stage, all shards.
        metrics: JSON of the generation stages' metrics, all shards.
        verdicts: JSON Lines of the execution stage's verdicts, all shards.
        dropped: JSON Lines of dropped rows, in the order of the steps.
        dataset: JSON Lines of the dataset.
        checksums: checksum file of the dataset.
        training: JSON Lines of training metrics.
        preferences: JSON Lines of the preference pairs.
        preference_training: JSON Lines of the metrics of the training on preferences.
        scores: JSON of the scores' summary.
        learning_curve: JSON of the learning curve.
        checkpoint_scores: JSON Lines of the scores of the training's checkpoints.
        rounds: JSON of the rounds.
        cards: ``selfalign.json`` of the models.
        reproduction: JSON of the reproduction table.
        provenance: JSON of the provenance.
        benchmarks: directory of Snakemake's benchmark files.
    """

    funnel: Path
    statistics: Path | None = None
    concepts: tuple[Path, ...] = ()
    metrics: tuple[Path, ...] = ()
    verdicts: tuple[Path, ...] = ()
    dropped: tuple[Path, ...] = ()
    dataset: Path | None = None
    checksums: Path | None = None
    training: Path | None = None
    preferences: Path | None = None
    preference_training: Path | None = None
    scores: Path | None = None
    learning_curve: Path | None = None
    checkpoint_scores: Path | None = None
    rounds: Path | None = None
    cards: tuple[Path, ...] = ()
    reproduction: Path | None = None
    provenance: Path | None = None
    benchmarks: Path | None = None


def files_of_run(run: Path) -> RunFiles:
    """Return the existing files of a run.

    Args:
        run: directory of the run.
    """

    def one(name: str) -> Path | None:
        return run / name if (run / name).exists() else None

    def many(*patterns: str) -> tuple[Path, ...]:
        return tuple(path for pattern in patterns for path in sorted(run.glob(pattern)))

    return RunFiles(
        funnel=run / "report/funnel.json",
        provenance=one("report/provenance.json"),
        statistics=one("seeds/statistics.json"),
        concepts=many("concepts/shards/*.jsonl"),
        metrics=many(*(f"{stage}/metrics/*.json" for stage in GENERATION)),
        verdicts=many("execution/verdicts/*.jsonl"),
        dropped=many(
            "seeds/dropped/**/*.jsonl",
            *(
                f"{stage}/dropped/**/*.jsonl"
                for stage in (*GENERATION, "execution", "matrix", "dataset", "self_tests", "preferences")
            ),
        ),
        dataset=one("dataset/train.jsonl"),
        checksums=one("dataset/SHA256SUMS"),
        training=one("model/tuned.metrics.jsonl"),
        preferences=one("preferences/train.jsonl"),
        preference_training=one("model/preferred.metrics.jsonl"),
        scores=one("scores/summary.json"),
        learning_curve=one("learning_curve/curve.json"),
        checkpoint_scores=one("scores/checkpoints.jsonl"),
        rounds=one("rounds/table.json"),
        cards=many("model/*/selfalign.json"),
        reproduction=one("reproduce/table.json"),
        benchmarks=one("benchmarks"),
    )


def stage_of(path: Path) -> str:
    """Return the stage that wrote a file: the directory above ``dropped``, ``metrics``, ….

    For dropped rows the step within the stage is added, if the path names one.

    Args:
        path: path of the file.
    """
    parts = path.parts
    for kind in ("dropped", "metrics", "shards", "counts", "verdicts"):
        if kind in parts[1:]:
            place = len(parts) - 1 - parts[::-1].index(kind)
            stage, below = parts[place - 1], parts[place + 1 :]
            if kind != "dropped":
                return stage
            step = below[0] if len(below) > 1 else path.stem
            return stage if step.isdigit() else f"{stage}: {step}"
    return path.parent.name


def rows_of(paths: tuple[Path, ...]) -> Iterator[tuple[Path, int, Record]]:
    """Yield ``(file, line number from 1, row)`` of JSON Lines files.

    Args:
        paths: the files.

    Raises:
        DataError: a line is not a JSON object.
    """
    for path in paths:
        for number, row in read_numbered(path):
            yield path, number, row
