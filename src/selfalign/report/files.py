"""Which files of a run the report reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selfalign.core.jsonl import Record, read_jsonl

GENERATION = ("concepts", "instructions", "responses")


@dataclass(frozen=True)
class RunFiles:
    """Files of a run. Only the funnel must be there; parts of the page whose files are not given are left out.

    Attributes:
        metrics: of the generation stages, all shards.
        verdicts: of the execution stage, all shards.
        dropped: rows that were dropped, of every step that keeps them, in the order of the build.
        training: metrics of the training.
        cards: ``selfalign.json`` of the models.
        reproduction: table of published figures beside ours.
        provenance: what the run used: commit, packages, images, machines.
        benchmarks: directory with what Snakemake measured of every job.
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
    scores: Path | None = None
    cards: tuple[Path, ...] = ()
    reproduction: Path | None = None
    provenance: Path | None = None
    benchmarks: Path | None = None


def files_of_run(run: Path) -> RunFiles:
    """Return the files that are there in the directory of a run."""

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
            *(f"{stage}/dropped/*.jsonl" for stage in (*GENERATION, "execution", "dataset")),
        ),
        dataset=one("dataset/train.jsonl"),
        checksums=one("dataset/SHA256SUMS"),
        training=one("model/tuned.metrics.jsonl"),
        scores=one("scores/summary.json"),
        cards=many("model/*/selfalign.json"),
        reproduction=one("reproduce/table.json"),
        benchmarks=one("benchmarks"),
    )


def stage_of(path: Path) -> str:
    """Return the stage that wrote `path`: the directory above ``dropped``, ``metrics``, ….

    For dropped rows the step within the stage is added, where the file's place names one.
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


def rows_of(paths: tuple[Path, ...]) -> Iterator[tuple[Path, Record]]:
    """Yield ``(file, row)`` of JSON Lines files."""
    for path in paths:
        for row in read_jsonl(path):
            yield path, row
