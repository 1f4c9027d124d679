"""The completion cache: durability, sharing, damaged files, compaction."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.completion_cache import open_completion_cache
from selfalign.completion_cache.maintenance import compact, inspect, look_up
from selfalign.completion_cache.segments import encode_entry
from selfalign.core.errors import DataError, InfrastructureError


def key(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


def fill(directory, names, value="v"):
    with open_completion_cache(directory) as cache:
        cache.append([(key(name), {"text": f"{value}{name}"}) for name in names])


def cached(directory, names):
    with open_completion_cache(directory) as cache:
        return [cache.get(key(name)) for name in names]


def test_what_is_written_is_found_now_and_later(tmp_path):
    with open_completion_cache(tmp_path) as cache:
        assert cache.get(key(1)) is None
        cache.append([(key(1), {"text": "é\n\ud800"}), (key(2), {})])
        assert cache.get(key(1)) == {"text": "é\n\ud800"}
        assert len(cache) == 2
    assert cached(tmp_path, [1, 2, 3]) == [{"text": "é\n\ud800"}, {}, None]


def test_parallel_writers_do_not_disturb_each_other(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from test_completion_cache import key\n"
        "from selfalign.completion_cache import open_completion_cache\n"
        "with open_completion_cache(sys.argv[1]) as cache:\n"
        "    for i in range(50):\n"
        "        cache.append([(key(f'{sys.argv[2]}-{i}'), {'text': f'v{sys.argv[2]}-{i}'})])\n"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    jobs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(n), here]) for n in range(4)]
    assert [job.wait() for job in jobs] == [0] * 4
    names = [f"{n}-{i}" for n in range(4) for i in range(50)]
    assert cached(tmp_path, names) == [{"text": f"v{name}"} for name in names]


@st.composite
def damaged(draw, data):
    """Return `data` shortened, or with some of its bytes changed."""
    if draw(st.booleans()):
        return data[: draw(st.integers(0, len(data)))]
    changed = bytearray(data)
    for place in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=4)):
        changed[place] = draw(st.sampled_from(b'\n\0{}[]",:1a\xff') | st.integers(0, 255))
    return bytes(changed)


def whole(segments):
    """Return the values of the lines that are whole, by name, of segments written by `fill`."""
    lines = {line for data in segments for line in data.split(b"\n")}
    values = {n: {"text": f"v{n}"} for n in range(8)}
    return {n: v for n, v in values.items() if encode_entry(key(n), v).rstrip() in lines}


def check(directory, expected):
    found = dict(enumerate(cached(directory, range(8))))
    assert {n: found[n] for n in expected} == expected


@pytest.mark.parametrize("indexed", [True, False])
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_costs_no_line_but_the_damaged(tmp_path_factory, indexed, data):
    directory = tmp_path_factory.mktemp("cache")
    for names in (range(4), range(4, 8)):
        fill(directory, names)
    segments = sorted(directory.glob("*.jsonl"))
    contents = [data.draw(damaged(path.read_bytes())) for path in segments]
    for path, content in zip(segments, contents, strict=True):
        path.write_bytes(content)
        if not indexed:
            path.with_suffix(".index").unlink()
    expected = whole(contents)
    order = data.draw(st.permutations(["read", "inspect", "compact"]))
    for step in (*order, "read"):
        if step == "read":
            check(directory, expected)
        elif step == "inspect":
            assert inspect(directory).lines >= len(expected)
        else:
            compact(directory)
            assert inspect(directory).damaged_lines == 0
    # What was lost is requested and cached once more, and not again.
    lost = [n for n, value in enumerate(cached(directory, range(8))) if value is None]
    fill(directory, lost)
    assert None not in cached(directory, range(8))


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_index_is_rebuilt(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("cache")
    fill(directory, range(8))
    (index,) = directory.glob("*.index")
    intact = index.read_bytes()
    garbage = st.binary(max_size=200) | st.just(b"SQLite format 3\0")
    index.write_bytes(data.draw(damaged(intact) | garbage))
    assert cached(directory, range(8)) == [{"text": f"v{n}"} for n in range(8)]
    assert index.read_bytes() == intact


def test_a_damaged_line_is_reported_once_with_file_and_line(tmp_path, caplog):
    fill(tmp_path, range(3))
    (segment,) = tmp_path.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"x" * (len(lines[1]) - 1) + b"\n" + lines[2])
    for _ in range(2):
        assert cached(tmp_path, range(3)) == [{"text": "v0"}, None, {"text": "v2"}]
    assert caplog.messages == [
        f"{segment}, line 2: expected a cached completion, found damaged data; skipped"
    ]


@pytest.mark.parametrize(("cut", "left"), [(1, 2), (2, 1), (40, 1)])
def test_an_incomplete_last_line_is_completed_or_removed(tmp_path, caplog, cut, left):
    fill(tmp_path, range(2))
    (segment,) = tmp_path.glob("*.jsonl")
    content = segment.read_bytes()
    segment.write_bytes(content[:-cut])
    assert cached(tmp_path, range(2)) == [{"text": f"v{n}"} if n < left else None for n in range(2)]
    assert segment.read_bytes() == b"".join(content.splitlines(keepends=True)[:left])
    assert [each for each in caplog.records if each.levelname == "WARNING"] == []


def test_compaction_adds_the_newline_that_a_segment_lacks(tmp_path):
    for name in range(2):
        fill(tmp_path, [name])
    for segment in tmp_path.glob("*.jsonl"):
        segment.write_bytes(segment.read_bytes().removesuffix(b"\n"))
    compact(tmp_path)
    assert cached(tmp_path, range(2)) == [{"text": "v0"}, {"text": "v1"}]
    assert inspect(tmp_path).lines == 2


def test_a_failed_write_leaves_no_partial_entry(tmp_path, monkeypatch):
    fill(tmp_path, [0])
    write = os.write

    def full(descriptor, data):
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    with open_completion_cache(tmp_path) as cache:
        cache.append([(key(1), {"text": "v1"})])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(InfrastructureError, match="No space left"):
                cache.append([(key(2), {"text": "v2"})])
        cache.append([(key(3), {"text": "v3"})])
    assert cached(tmp_path, range(4)) == [{"text": "v0"}, {"text": "v1"}, None, {"text": "v3"}]
    assert inspect(tmp_path).damaged_lines == 0


def test_a_killed_writers_segment_is_read(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from selfalign.completion_cache import open_completion_cache\n"
        "with open_completion_cache(sys.argv[1]) as cache:\n"
        "    cache.append([(sys.argv[2], {'text': 'v'})])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), key(1)], check=False)
    assert not list(tmp_path.glob("*.index"))
    assert cached(tmp_path, [1]) == [{"text": "v"}]
    assert len(list(tmp_path.glob("*.index"))) == 1


def test_a_living_writers_segment_is_read_and_not_indexed(tmp_path):
    with open_completion_cache(tmp_path) as writer:
        writer.append([(key(1), {"text": "v1"})])
        assert cached(tmp_path, [1]) == [{"text": "v1"}]
        assert not list(tmp_path.glob("*.index"))


def test_the_older_of_two_copies_counts(tmp_path):
    fill(tmp_path, [1], "old")
    with open_completion_cache(tmp_path) as cache:
        cache.append([(key(1), {"text": "new1"})])
        assert cache.get(key(1)) == {"text": "old1"}
    assert cached(tmp_path, [1]) == [{"text": "old1"}]
    compact(tmp_path)
    assert cached(tmp_path, [1]) == [{"text": "old1"}]


def test_of_several_entries_the_oldest_that_will_do_counts(tmp_path):
    fill(tmp_path, [1], "broken")
    for text in ("good", "later"):
        with open_completion_cache(tmp_path) as cache:
            cache.append([(key(1), {"text": text})])

    def usable(value):
        return not value["text"].startswith("broken")

    for _ in range(2):
        with open_completion_cache(tmp_path) as cache:
            assert cache.get(key(1)) == {"text": "broken1"}
            assert cache.get(key(1), usable) == {"text": "good"}
            assert cache.get(key(2), usable) is None
            assert len(cache) == 1
        compact(tmp_path)


def test_compaction_keeps_every_entry_once(tmp_path):
    for start in range(0, 50, 10):
        fill(tmp_path, range(start, start + 15))
    (tmp_path / "0.jsonl").write_bytes(b'{"key": "torn')
    before, after = compact(tmp_path)
    assert after < before
    assert len(list(tmp_path.glob("*.jsonl"))) == len(list(tmp_path.glob("*.index"))) == 1
    assert cached(tmp_path, range(55)) == [{"text": f"v{i}"} for i in range(55)]
    summary = inspect(tmp_path)
    assert (summary.segments, summary.lines, summary.entries, summary.damaged_lines) == (1, 55, 55, 0)


def test_an_open_completion_cache_is_not_compacted(tmp_path):
    with (
        open_completion_cache(tmp_path),
        pytest.raises(InfrastructureError, match="a job has the completion cache open"),
    ):
        compact(tmp_path)


def test_commands(tmp_path):
    with open_completion_cache(tmp_path) as cache:
        entry = {"model": "m@1", "choices": [{"text": "a"}, {"text": "b"}], "usage": {"completion_tokens": 9}}
        cache.append([(key(1), entry)])
    run = CliRunner().invoke(build_app(), ["completion-cache", "inspect", str(tmp_path)])
    found = json.loads(run.output)
    assert found["entries"] == 1
    assert found["choices"] == 2
    assert found["completion_tokens"] == 9
    assert found["models"] == {"m@1": 1}
    run = CliRunner().invoke(build_app(), ["completion-cache", "inspect", str(tmp_path), "--key", key(1)])
    assert json.loads(run.output) == entry
    assert CliRunner().invoke(build_app(), ["completion-cache", "compact", str(tmp_path)]).exit_code == 0
    assert look_up(tmp_path, key(1)) == entry


def test_errors_are_clear(tmp_path):
    with pytest.raises(DataError, match="expected the directory of a completion cache"):
        inspect(tmp_path / "none")
    with pytest.raises(DataError, match="expected an entry with the key"):
        look_up(tmp_path, key(1))
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        look_up(tmp_path, "xyz")
