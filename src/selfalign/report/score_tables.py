"""Rows of the report's tables of scores: models, differences, results, rounds, published figures."""

from __future__ import annotations

from typing import Any

# A difference with a smaller p-value is called clear.
CLEAR_P_VALUE = 0.05


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
