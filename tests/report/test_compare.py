import shutil

import pytest
import yaml
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.errors import ConfigError, DataError
from selfalign.report.compare import differing_keys, read_run, side_by_side, write_comparison


@pytest.fixture
def runs(run, tmp_path):
    made = []
    for name, responses in (("passing", "passing"), ("failing", "failing")):
        directory = tmp_path / name
        shutil.copytree(run, directory)
        text = yaml.safe_dump({"run": name, "curation": {"responses": responses, "seed": 0}, "list": [1]})
        (directory / "report/configuration.yaml").write_text(text)
        made.append(directory)
    return made


def test_only_what_differs_is_told_and_not_the_name(runs):
    assert differing_keys([read_run(each) for each in runs]) == [
        ("curation.responses", ["passing", "failing"])
    ]


def test_a_row_that_one_run_lacks_is_a_gap():
    assert side_by_side([{"a": 1}, {"b": 2, "a": 3}]) == [("a", [1, 3]), ("b", [None, 2])]


def test_runs_stand_side_by_side(runs, tmp_path):
    write_comparison(runs, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "<code>curation.responses</code>" in text
    assert text.count("25.0\N{NO-BREAK SPACE}%") == 2
    assert "<script" not in text


def test_the_command_does_it_too(runs, tmp_path):
    out = tmp_path / "c.html"
    done = CliRunner().invoke(build_app(), ["compare", *map(str, runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.exists()


def test_one_run_or_one_twice_is_refused(runs, tmp_path):
    with pytest.raises(ConfigError, match="two or more different runs"):
        write_comparison(runs[:1], tmp_path / "x")
    with pytest.raises(ConfigError, match="two or more different runs"):
        write_comparison([runs[0], runs[0]], tmp_path / "x")


def test_an_unfinished_run_is_named(tmp_path):
    with pytest.raises(DataError, match="build it first"):
        read_run(tmp_path)
