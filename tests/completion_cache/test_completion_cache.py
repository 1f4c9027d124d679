"""The completion cache: durable, shared, torn lines, compaction."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.completion_cache import open_completion_cache
from selfalign.completion_cache.tools import compact, inspect, look_up
from selfalign.core.errors import DataError, InfrastructureError


def key(name):
    return hashlib.sha256(str(name).encode()).hexdigest()


def fill(directory, names, value="v"):
    with open_completion_cache(directory) as cache:
        cache.append([(key(name), {"text": f"{value}{name}"}) for name in names])


def known(directory, names):
    with open_completion_cache(directory) as cache:
        return [cache.get(key(name)) for name in names]


def test_what_is_written_is_found_now_and_later(tmp_path):
    with open_completion_cache(tmp_path) as cache:
        assert cache.get(key(1)) is None
        cache.append([(key(1), {"text": "é\n\ud800"}), (key(2), {})])
        assert cache.get(key(1)) == {"text": "é\n\ud800"}
        assert len(cache) == 2
    assert known(tmp_path, [1, 2, 3]) == [{"text": "é\n\ud800"}, {}, None]


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
    assert known(tmp_path, names) == [{"text": f"v{name}"} for name in names]


@pytest.mark.parametrize("indexed", [True, False])
@given(cut=st.integers(1, 200))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_end_costs_the_torn_entry_only(tmp_path_factory, indexed, cut):
    directory = tmp_path_factory.mktemp("cache")
    fill(directory, range(4))
    (segment,) = directory.glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole[: max(0, len(whole) - cut)])
    if not indexed:
        segment.with_suffix(".index").unlink()
    # An entry that lost nothing but its newline is whole.
    left = segment.read_bytes().replace(b"}}\n", b"}}").count(b"}}")
    expected = [{"text": f"v{i}"} if i < left else None for i in range(4)]
    assert known(directory, range(4)) == expected


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
    assert known(tmp_path, [1]) == [{"text": "v"}]
    assert len(list(tmp_path.glob("*.index"))) == 1


def test_a_living_writers_segment_is_read_and_not_indexed(tmp_path):
    with open_completion_cache(tmp_path) as writer:
        writer.append([(key(1), {"text": "v1"})])
        assert known(tmp_path, [1]) == [{"text": "v1"}]
        assert not list(tmp_path.glob("*.index"))


def test_the_older_of_two_copies_counts(tmp_path):
    fill(tmp_path, [1], "old")
    with open_completion_cache(tmp_path) as cache:
        cache.append([(key(1), {"text": "new1"})])
        assert cache.get(key(1)) == {"text": "old1"}
    assert known(tmp_path, [1]) == [{"text": "old1"}]
    compact(tmp_path)
    assert known(tmp_path, [1]) == [{"text": "old1"}]


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
    assert known(tmp_path, range(55)) == [{"text": f"v{i}"} for i in range(55)]
    summary = inspect(tmp_path)
    assert (summary.segments, summary.lines, summary.entries, summary.torn) == (1, 55, 55, 0)


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
    with pytest.raises(DataError, match="expected an entry under the key"):
        look_up(tmp_path, key(1))
    with pytest.raises(DataError, match="64 hexadecimal digits"):
        look_up(tmp_path, "xyz")
