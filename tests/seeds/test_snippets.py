"""Random snippets: of the file's own lines, the same every time, short."""

from hypothesis import given
from hypothesis import strategies as st

from selfalign.core.config.seeds import FiltersConfig, SourcesConfig
from selfalign.core.jsonl import read_json, read_jsonl
from selfalign.seeds.collect import collect_unit
from selfalign.seeds.extract import MAX_SNIPPET_LINES, random_snippets

LINE = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30)


@given(st.lists(LINE, max_size=200))
def test_a_snippet_is_lines_of_the_file(lines):
    text = "\n".join(lines)
    found = random_snippets(text)
    assert found == random_snippets(text)
    for snippet in found:
        assert snippet.text in text
        assert snippet.text.strip()
        assert 0 <= snippet.text.count("\n") < MAX_SNIPPET_LINES


def test_snippets_become_seeds_without_the_filters_of_functions(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.py").write_text("\n".join(f"x{i} = {i}" for i in range(200)))
    out, counts = tmp_path / "out.jsonl", tmp_path / "counts.json"
    sources = SourcesConfig(kind="directory", path=str(source), take="snippets")
    collect_unit(sources, "part-0000", FiltersConfig(), out=out, dropped=tmp_path / "d.jsonl", counts=counts)
    rows = list(read_jsonl(out))
    assert len(rows) == 4
    assert all(row["seed"].startswith("x") and row["lineage"]["seed"]["file"] == "a.py" for row in rows)
    assert [step["out"] for step in read_json(counts)] == [4, 4]
