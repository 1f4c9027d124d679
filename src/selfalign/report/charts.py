"""Charts of the report as SVG, drawn by Vega-Altair without a browser and legible on light and dark pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# Grey that is legible on white and on black; bars and lines use the accent colours.
INK = "#808890"
ACCENT = "#3b82c4"
OTHER = "#c98a2b"
WIDTH = 340
SIZE = 12
FEW_STEPS = 10
# What XML 1.0 (and so SVG) cannot contain: control characters, surrogates, noncharacters. vl-convert aborts the process
# on most of them.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def funnel_chart(steps: Sequence[dict[str, Any]]) -> str:
    """Return a bar chart of the rows kept by every step.

    Args:
        steps: steps of the funnel.
    """
    names = [f"{step['stage']}: {step['step']}" for step in steps]
    return bar_chart(list(zip(names, (step["out"] for step in steps), strict=True)), "rows out")


def bar_chart(bars: Sequence[tuple[str, int]], title: str) -> str:
    """Return a bar chart of named counts, on a symmetric-logarithmic scale so that small counts are visible.

    Args:
        bars: name and count of each bar, in order.
        title: title of the axis.
    """
    import altair as alt

    rows = [{"name": name, "count": count} for name, count in bars]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "count:Q",
            title=title,
            scale=alt.Scale(type="symlog"),
            axis=alt.Axis(values=_decades(max((count for _, count in bars), default=0)), format=",d"),
        ),
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=210)),
    )
    labels = base.mark_text(align="left", dx=4, color=INK, fontSize=SIZE).encode(
        text=alt.Text("count:Q", format=",")
    )
    return _svg((base.mark_bar(color=ACCENT) + labels).properties(width=WIDTH, height=alt.Step(20)))


def share_chart(rows: Sequence[dict[str, Any]]) -> str:
    """Return a bar chart of the share of rows that each stage keeps, in the published run and in this one.

    Args:
        rows: rows of :func:`~selfalign.report.figures.beside_published`.
    """
    import altair as alt

    bars = [
        {"stage": row["stage"], "whose": whose, "share": row[key]}
        for row in rows
        for whose, key in (("published", "published_share"), ("this run", "ours_share"))
        if row[key] is not None
    ]
    colours = alt.Scale(domain=["published", "this run"], range=[OTHER, ACCENT])
    chart = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q",
                title="rows for each row of the stage before",
                scale=alt.Scale(type="symlog", constant=0.05),
                axis=alt.Axis(values=[0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], format="~g"),
            ),
            y=alt.Y("stage:N", sort=None, title=None, axis=alt.Axis(labelLimit=210)),
            yOffset=alt.YOffset("whose:N", sort=["published", "this run"]),
            color=alt.Color("whose:N", scale=colours, title=None),
        )
        .properties(width=WIDTH, height=alt.Step(14))
    )
    return _svg(chart)


def histogram(histogram: dict[str, list[float]], title: str, counted: str) -> str:
    """Return a histogram.

    Args:
        histogram: ``edges`` and ``heights``; there is one more edge than heights.
        title: title of the horizontal axis.
        counted: title of the vertical axis.
    """
    import altair as alt

    edges = histogram["edges"]
    rows = [
        {"from": low, "to": high, "count": count}
        for low, high, count in zip(edges, edges[1:], histogram["heights"], strict=False)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=ACCENT)
        .encode(
            x=alt.X("from:Q", title=title, bin="binned"),
            x2="to:Q",
            y=alt.Y("count:Q", title=counted, axis=alt.Axis(tickMinStep=1)),
        )
        .properties(width=WIDTH, height=160)
    )
    return _svg(chart)


def loss_chart(metrics: Sequence[dict[str, Any]]) -> str:
    """Return a line chart of training loss by optimizer step.

    Args:
        metrics: rows with ``step`` and ``loss``.
    """
    import altair as alt

    rows = [{"step": m["step"], "loss": m["loss"]} for m in metrics if "loss" in m and "step" in m]
    # For few steps Vega would label half steps too.
    steps = alt.Axis(format="d")
    if len(rows) <= FEW_STEPS:
        steps = alt.Axis(format="d", values=[row["step"] for row in rows])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(color=ACCENT, point=alt.OverlayMarkDef(color=ACCENT))
        .encode(
            x=alt.X("step:Q", title="optimizer step", axis=steps),
            y=alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False)),
        )
        .properties(width=WIDTH, height=220)
    )
    return _svg(chart)


def score_chart(scores: Sequence[dict[str, Any]]) -> str:
    """Return a chart of scores with their confidence intervals, in per cent.

    Args:
        scores: rows with ``name``, ``value``, ``low`` and ``high``, between 0 and 1.
    """
    import altair as alt

    rows = [{**row, **{key: 100 * row[key] for key in ("value", "low", "high")}} for row in scores]
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=300))
    base = alt.Chart(alt.Data(values=rows))
    span = base.mark_rule(color=INK, strokeWidth=2).encode(
        x=alt.X(
            "low:Q",
            title="per cent, with 95 % interval",
            scale=alt.Scale(zero=True),
            axis=alt.Axis(tickCount=6),
        ),
        x2="high:Q",
        y=y,
    )
    point = base.mark_point(color=ACCENT, filled=True, size=80).encode(x="value:Q", y=y)
    return _svg((span + point).properties(width=WIDTH, height=alt.Step(26)))


def learning_curve_chart(curve: dict[str, Any]) -> str:
    """Return a line chart of scores by number of training instructions, in per cent, with the base model as a line.

    Args:
        curve: see :func:`selfalign.evaluate.learning_curve.write_learning_curve`.
    """
    import altair as alt

    rows = [
        {
            "instructions": point["instructions"],
            "value": 100 * point["value"],
            "models": f"{point['learning_rate']:g}, {point['responses']}",
        }
        for point in curve["points"]
    ]
    lines = _score_lines(
        rows,
        x=alt.X(
            "instructions:Q",
            title="instructions trained on",
            scale=alt.Scale(type="log", base=2, nice=False),
            axis=alt.Axis(values=sorted({row["instructions"] for row in rows}), format="d"),
        ),
        y=f"{curve['benchmark']}, per cent",
        color=alt.Color("models:N", title="learning rate, responses", sort=None),
    )
    if curve["base"] is not None:
        base = alt.Chart(alt.Data(values=[{"value": 100 * curve["base"]}]))
        lines = lines + base.mark_rule(color=INK, strokeDash=[4, 4]).encode(y="value:Q")
    return _svg(lines.properties(width=WIDTH, height=220))


def checkpoint_chart(scores: Sequence[dict[str, Any]]) -> str:
    """Return a line chart of scores by training step, in per cent: a line for each benchmark, metric and prompt layout.

    Args:
        scores: see :func:`selfalign.evaluate.checkpoint_scores.write_checkpoint_scores`.
    """
    import altair as alt

    rows = [
        {
            "step": score["step"],
            "value": 100 * score["value"],
            "score": f"{score['benchmark']} {score['metric']}, {score['layout']}",
        }
        for score in scores
    ]
    steps = sorted({row["step"] for row in rows})
    axis = alt.Axis(format="d", values=steps) if len(steps) <= FEW_STEPS else alt.Axis(format="d")
    # One name in a line and one column: names of benchmarks are long.
    legend = alt.Legend(columns=1, labelLimit=WIDTH)
    lines = _score_lines(
        rows,
        x=alt.X("step:Q", title="optimizer steps", axis=axis),
        y="per cent",
        color=alt.Color("score:N", title=None, sort=None, legend=legend),
    )
    return _svg(lines.properties(width=WIDTH, height=220))


def _score_lines(rows: Sequence[dict[str, Any]], *, x: Any, y: str, color: Any) -> Any:
    """Return lines through the ``value`` of rows, in per cent."""
    import altair as alt

    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point=True)
        .encode(x=x, y=alt.Y("value:Q", title=y, scale=alt.Scale(zero=False)), color=color)
    )


def _decades(largest: int) -> list[int]:
    """Return 0 and the powers of ten up to `largest`, as ticks of a symmetric-logarithmic axis."""
    return [0, *(10**power for power in range(len(str(largest))) if largest)]


def _svg(chart: Any) -> str:
    import vl_convert

    themed = chart.configure(
        background="transparent",
        # Leave room for browser fonts that are wider than those of the layout.
        padding={"left": 30, "right": 28, "top": 6, "bottom": 6},
        axis={
            "labelColor": INK,
            "titleColor": INK,
            "domainColor": INK,
            "tickColor": INK,
            "gridOpacity": 0.25,
            "labelFontSize": SIZE,
            "titleFontSize": SIZE,
        },
        legend={"labelColor": INK, "titleColor": INK, "labelFontSize": SIZE, "orient": "bottom"},
        view={"stroke": None},
    )
    return vl_convert.vegalite_to_svg(_in_xml(themed.to_dict()))


def _in_xml(value: Any) -> Any:
    """Return a JSON value with each character that XML cannot contain replaced by U+FFFD."""
    if isinstance(value, str):
        return NOT_IN_XML.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_in_xml(key): _in_xml(each) for key, each in value.items()}
    return [_in_xml(each) for each in value] if isinstance(value, list) else value
