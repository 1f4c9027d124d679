"""Charts: any text is drawn, as XML that can be parsed."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from selfalign.report.charts import bar_chart, checkpoint_chart


@settings(max_examples=20, deadline=None)
@given(name=st.text(max_size=10))
@example(name="".join(map(chr, range(32))))
@example(name="\ufffe\uffff\x7f\x85")
@example(name="\ud800")
@example(name="<&>\u202e")
def test_any_name_is_drawn(name):
    svg = ElementTree.fromstring(bar_chart([(name, 1), ("other", 2)], "rows"))
    assert "other" in "".join(svg.itertext())


def test_a_control_character_is_shown_as_replaced():
    assert "a\ufffdb" in bar_chart([("a\x06b", 1)], "rows")


def test_each_score_of_checkpoints_is_a_line_over_the_steps():
    scores = [
        {"step": step, "value": value, "benchmark": name, "metric": "pass@1", "layout": "own"}
        for step, value in ((7, 0.25), (13, 0.5))
        for name in ("humaneval", "self_tests")
    ]
    svg = ElementTree.fromstring(checkpoint_chart(scores))
    texts = list(svg.itertext())
    assert {"7", "13", "optimizer steps", "humaneval pass@1, own", "self_tests pass@1, own"} <= set(texts)
    lines = [each for each in svg.iter() if each.get("aria-roledescription") == "line mark"]
    assert len(lines) == 2
