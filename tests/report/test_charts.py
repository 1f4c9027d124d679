"""Charts: any text is drawn, as XML that can be parsed."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from selfalign.report.charts import bar_chart


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
