import gzip
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.core.errors import DataError
from selfalign.core.jsonl import atomic_path, read_jsonl, require, write_json, write_jsonl

# A lineage has a form of its own, and null is none.
names = st.text().filter(lambda name: name != "lineage")
records = st.lists(st.dictionaries(names, st.none() | st.integers() | st.text() | st.lists(st.text())))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
@given(rows=records)
def test_what_is_written_is_read(tmp_path_factory, name, rows):
    path = tmp_path_factory.mktemp("jsonl") / name
    assert write_jsonl(path, rows) == len(rows)
    assert list(read_jsonl(path)) == rows


def test_gzip_bytes_do_not_depend_on_time_or_name(tmp_path):
    write_jsonl(tmp_path / "a.jsonl.gz", [{"x": 1}])
    write_jsonl(tmp_path / "b.jsonl.gz", [{"x": 1}])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_failed_write_leaves_nothing(tmp_path):
    def rows():
        yield {"x": 1}
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_jsonl(tmp_path / "rows.jsonl", rows())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, 1)
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    path = tmp_path / "rows.jsonl"
    program = (
        "import os, sys; from selfalign.core.jsonl import open_writer\n"
        "with open_writer(sys.argv[1]) as out: out.write('half'); out.flush(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    write_jsonl(path, [{"x": 1}])
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_the_same_path_leave_each_other_alone(tmp_path):
    path = tmp_path / "value.json"
    with atomic_path(path) as first:
        first.write_text("1\n")
        write_json(path, 2)
        assert first.exists()
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', "record 2: expected one JSON object a line"),
        (b"[1]\n", "record 1: expected a JSON object, found list"),
        (b'{"a": "\xff"}\n', "expected UTF-8 text"),
    ],
)
def test_bad_input_names_file_and_record(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(read_jsonl(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read"):
        list(read_jsonl(tmp_path / "none.jsonl"))


def test_torn_gzip_is_told(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000)[:-20])
    with pytest.raises(DataError, match="whole gzip data"):
        list(read_jsonl(path))


def test_require():
    assert require({"a": "x"}, "a", str) == "x"
    with pytest.raises(DataError, match="record 3, field 'a': expected a string, found int"):
        require({"a": 1}, "a", str, number=3)
    with pytest.raises(DataError, match="field 'b': expected a list, found no such field"):
        require({"a": 1}, "b", list)
    with pytest.raises(DataError, match="expected an integer, found bool"):
        require({"a": True}, "a", int)


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127 + "x", "x" * 240])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    path = tmp_path / name
    write_jsonl(path, [{"x": 1}])
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="too long") as caught:
        write_jsonl(tmp_path / (name + "x" * 16), [])
    assert caught.value.filename == str(tmp_path / (name + "x" * 16))


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (r'{"a": "cut \ud83d here"}', {"a": "cut \ufffd here"}),
        (r'{"a\uDC00": [{"b": "\uD83D"}]}', {"a\ufffd": [{"b": "\ufffd"}]}),
        (r'{"a": "\ud83d\ude00"}', {"a": "\U0001f600"}),
        (r'{"a": "\\ud83d"}', {"a": r"\ud83d"}),
    ],
)
def test_half_a_surrogate_pair_is_replaced_and_reported(tmp_path, caplog, line, meant):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"x": 1}}\n{line}\n')
    assert list(read_jsonl(path)) == [{"x": 1}, meant]
    reported = (
        [f"{path}, record 2: a lone surrogate was replaced by U+FFFD"] if "\ufffd" in str(meant) else []
    )
    assert [record.getMessage() for record in caplog.records] == reported


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        (3, "field 'lineage': expected an object, found int"),
        ({"seed": None}, "field 'lineage.seed': expected an object, found NoneType"),
        ({"transformations": [1]}, "field 'lineage.transformations': expected a list of strings, found list"),
    ],
)
def test_a_lineage_of_another_shape_is_refused(tmp_path, lineage, said):
    write_jsonl(tmp_path / "rows.jsonl", [{"lineage": lineage}])
    with pytest.raises(DataError) as caught:
        list(read_jsonl(tmp_path / "rows.jsonl"))
    assert str(caught.value) == f"{tmp_path}/rows.jsonl, record 1, {said}"


def test_a_lineage_of_null_is_none(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"a": 1, "lineage": None}])
    assert list(read_jsonl(tmp_path / "rows.jsonl")) == [{"a": 1}]
