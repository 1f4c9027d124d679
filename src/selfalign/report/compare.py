"""Comparison of several runs on one page: configuration keys that differ, scores and funnels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import atomic_path, read_json
from selfalign.report.charts import score_chart
from selfalign.report.page import page_environment, template_text
from selfalign.report.score_tables import score_rows

ABSENT = "–"


@dataclass(frozen=True)
class Run:
    """The compared data of a run.

    Attributes:
        name: name of the run.
        steps: steps of the funnel.
        scores: rows of :func:`~selfalign.report.score_tables.score_rows`.
        settings: configuration by dotted key.
    """

    name: str
    steps: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    settings: dict[str, Any]


def read_run(directory: str | Path) -> Run:
    """Read the data of a finished run.

    Args:
        directory: directory of the run.

    Raises:
        DataError: the directory is not that of a finished run.
    """
    directory = Path(directory)
    configuration = directory / "report/configuration.yaml"
    if not configuration.exists():
        raise DataError(
            "expected a finished run with its report/configuration.yaml; build it first", file=directory
        )
    return Run(
        name=directory.name,
        steps=read_json(directory / "report/funnel.json")["steps"],
        scores=score_rows(read_json(directory / "scores/summary.json")),
        settings=dict(_leaves(yaml.safe_load(configuration.read_text(encoding="utf-8")))),
    )


def write_comparison(directories: Sequence[str | Path], out: str | Path) -> None:
    """Write a page that compares finished runs.

    Args:
        directories: directories of the runs.
        out: HTML file to write.

    Raises:
        ConfigError: there are fewer than two runs, or one is given twice.
        DataError: a run is not finished.
    """
    runs = [read_run(directory) for directory in directories]
    names = [run.name for run in runs]
    if len(runs) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"report.compare: expected two or more different runs, found {', '.join(names) or 'none'}"
        )
    points = [{**row, "name": f"{run.name}, {row['name']}"} for run in runs for row in run.scores]
    text = (
        page_environment()
        .get_template("compare.html.jinja")
        .render(
            title=f"selfalign: {', '.join(names)}",
            names=names,
            differing=differing_keys(runs),
            funnel=side_by_side([{(s["stage"], s["step"]): s["out"] for s in run.steps} for run in runs]),
            scores=side_by_side(
                [
                    {
                        (row["model"], row["layout"], row["benchmark"], row["metric"]): row
                        for row in run.scores
                    }
                    for run in runs
                ]
            ),
            chart=score_chart(points) if points else "",
            style=template_text("page.css"),
        )
    )
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def differing_keys(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return the configuration keys that differ, except the run's name, each with the values of all runs.

    Args:
        runs: the runs.
    """
    keys = dict.fromkeys(key for run in runs for key in run.settings if key != "run")
    rows = [(key, [str(run.settings.get(key, ABSENT)) for run in runs]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def side_by_side(tables: Sequence[dict[Any, Any]]) -> list[tuple[Any, list[Any]]]:
    """Return the keys of several tables, each with the value in every table (None if missing).

    Args:
        tables: the tables.
    """
    keys = dict.fromkeys(key for table in tables for key in table)
    return [(key, [table.get(key) for table in tables]) for key in keys]


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
