"""The reproduction table: published scores beside those obtained here, with the data each was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from selfalign.benchmarks import load_definition
from selfalign.core.jsonl import atomic_path, read_json, read_jsonl, write_json
from selfalign.evaluate.published_verdicts import compare_verdicts, read_published_verdicts

COLUMNS = (
    "model",
    "benchmark",
    "metric",
    "dataset",
    "harness",
    "n",
    "published",
    "obtained",
    "difference",
    "95 % interval",
    "tasks that differ",
    "how",
)
NOT_RUN = "not run here; needs the model"
NEW_SAMPLE = "The sample was generated anew."


@dataclass(frozen=True)
class ObtainedScore:
    """A score obtained here, for the table.

    Attributes:
        model: name of the model, as the published scores use it.
        how: origin of the samples, in a few words.
        score: path of ``score.json``.
        comparison: path of ``comparison.json``; None if the samples are not the published ones.
        published: path of published verdicts on other samples of the same model for the same tasks, if available.
    """

    model: str
    how: str
    score: str | Path
    comparison: str | Path | None = None
    published: str | Path | None = None


def published_figures() -> list[dict[str, Any]]:
    """Return the published scores of ``published_figures.yaml``, with ``value`` computed where it is missing."""
    text = (files("selfalign.evaluate") / "published_figures.yaml").read_text(encoding="utf-8")
    figures = yaml.safe_load(text)
    for figure in figures:
        if "correct" in figure:
            figure["value"] = figure["correct"] / figure["tasks"]
    return figures


def reproduction_rows(obtained: Sequence[ObtainedScore]) -> list[dict[str, Any]]:
    """Return the rows of the table: obtained scores with the matching published ones, then the other published scores.

    A published score matches if model, benchmark, data version (where it is known) and metric are the same. Rates are
    between 0 and 1.

    Args:
        obtained: scores obtained here.
    """
    figures = published_figures()
    used: set[int] = set()
    rows = []
    for each in obtained:
        score = read_json(each.score)
        comparison = read_json(each.comparison) if each.comparison else _compare_new_samples(each, score)
        for metric, found in score["metrics"].items():
            published = None
            for index, figure in enumerate(figures):
                if _same(figure, each.model, score, metric):
                    used.add(index)
                    published = {
                        key: figure[key] for key in ("value", "correct", "source", "note") if key in figure
                    }
            rows.append(
                {
                    "model": each.model,
                    "benchmark": score["benchmark"],
                    "title": score["title"],
                    "metric": metric,
                    "dataset": score["dataset"],
                    "harness": score["harness"],
                    "n": score["n"],
                    "published": published,
                    "obtained": {key: found[key] for key in ("value", "correct") if key in found},
                    "interval": found["interval"],
                    "difference": found["value"] - published["value"] if published else None,
                    "differing": _differing(comparison, metric),
                    "how": each.how,
                }
            )
    rows += [_not_run(figure) for index, figure in enumerate(figures) if index not in used]
    return rows


def write_reproduction(
    obtained: Sequence[ObtainedScore],
    summary: str | Path | None,
    *,
    json: str | Path,
    markdown: str | Path,
    html: str | Path,
) -> None:
    """Write the table as JSON, Markdown and HTML.

    Args:
        obtained: scores obtained here.
        summary: the run's ``scores/summary.json``, for the comparison of base and tuned model; None: left out.
        json: JSON file to write.
        markdown: Markdown file to write.
        html: HTML file to write.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    rows = reproduction_rows(obtained)
    comparisons = [
        each
        for each in (read_json(summary)["comparisons"] if summary else [])
        if (each["first"], each["second"]) == ("base", "tuned")
    ]
    write_json(json, {"rows": rows, "comparisons": comparisons})
    notes = _notes(rows)
    context = {
        "columns": COLUMNS,
        "rows": [cells(row) for row in rows],
        "notes": notes,
        "comparisons": comparisons,
    }
    for template, out in (("reproduction.md.jinja", markdown), ("reproduction.html.jinja", html)):
        environment = Environment(
            loader=PackageLoader("selfalign.evaluate"),
            autoescape=template.endswith(".html.jinja"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        with atomic_path(out) as temporary:
            temporary.write_text(environment.get_template(template).render(context), encoding="utf-8")


def cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row as text, in the order of :data:`COLUMNS`.

    Args:
        row: row of :func:`reproduction_rows`.
    """
    dataset, harness = row["dataset"], row["harness"]
    hashed = f" ({dataset['sha256'][:12]})" if dataset.get("sha256") else ""
    differing = row["differing"]
    return [
        row["model"],
        row["title"],
        row["metric"],
        f"{dataset['version'] or 'version not published'}{hashed}",
        f"selfalign {harness['selfalign']}, evalplus {harness['evalplus']}" if harness else "–",
        str(row["n"] or "–"),
        _rate(row["published"]),
        _rate(row["obtained"]),
        "–" if row["difference"] is None else f"{100 * row['difference']:+.1f}",
        "–" if row["interval"] is None else " to ".join(f"{100 * bound:.1f}" for bound in row["interval"]),
        "–" if differing is None else ", ".join(each["task_id"] for each in differing) or "none",
        row["how"],
    ]


def _same(figure: dict[str, Any], model: str, score: dict[str, Any], metric: str) -> bool:
    return (
        figure["model"] == model
        and figure["benchmark"] == score["benchmark"]
        and figure["metric"] == metric
        and figure.get("version") in (None, score["dataset"]["version"])
        and figure.get("layout") in (None, score.get("layout"))
    )


def _compare_new_samples(obtained: ObtainedScore, score: dict[str, Any]) -> dict[str, Any] | None:
    """Compare verdicts on new samples with published ones; return None if the numbers of samples differ."""
    if obtained.published is None:
        return None
    verdicts = list(read_jsonl(Path(obtained.score).with_name("verdicts.jsonl")))
    tasks = {verdict["task_id"] for verdict in verdicts}
    title = f"{score['title']} {score['dataset']['version']}"
    published = read_published_verdicts(obtained.published, tasks, title)
    if any(len(each) != score["samples_per_task"] for each in published.statuses.values()):
        return None
    comparison = compare_verdicts(verdicts, published)
    differing = [{**each, "explanation": NEW_SAMPLE} for each in comparison["differing"]]
    return {**comparison, "differing": differing}


def _differing(comparison: dict[str, Any] | None, metric: str) -> list[dict[str, Any]] | None:
    """Return the differences that can change `metric`; those in the added tests count for "plus" only."""
    if comparison is None:
        return None
    parts = ("base", "plus") if metric.startswith("plus") else ("base",)
    return [each for each in comparison["differing"] if each["part"] in parts]


def _not_run(figure: dict[str, Any]) -> dict[str, Any]:
    return {
        "model": figure["model"],
        "benchmark": figure["benchmark"],
        "title": load_definition(figure["benchmark"]).title,
        "metric": figure["metric"],
        "dataset": {"version": figure.get("version")},
        "harness": None,
        "n": figure.get("tasks"),
        "published": {key: figure[key] for key in ("value", "correct", "source", "note") if key in figure},
        "obtained": None,
        "interval": None,
        "difference": None,
        "differing": None,
        "how": NOT_RUN,
    }


def _rate(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    count = f" ({found['correct']})" if "correct" in found else ""
    return f"{100 * found['value']:.1f}{count}"


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the sources of the published scores and the explanations of differing tasks, without duplicates."""
    notes: dict[str, None] = {}
    for row in rows:
        published = row["published"]
        if published:
            note = f"; {published['note']}" if "note" in published else ""
            notes[f"{row['model']}, {row['title']}, {row['metric']}: {published['source']}{note}."] = None
    for row in rows:
        for each in row["differing"] or []:
            explanation = each["explanation"] or "Not explained."
            notes[
                f"{row['title']} {row['dataset']['version']}, {each['task_id']} ({each['part']}): published "
                f"{each['published']}, here {each['ours']}. {explanation}"
            ] = None
    return list(notes)
