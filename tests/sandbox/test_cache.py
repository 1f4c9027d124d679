"""The verdict cache: nothing runs twice, the order stays, and trouble is not kept."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, Verdict
from selfalign.sandbox.cache import VerdictCache, cache_key, check_place, file_system

MOUNTS = """\
20 1 0:20 / / rw - overlay overlay rw
21 20 0:21 / /home rw,relatime shared:1 - nfs4 server:/home rw
22 21 0:22 / /home/me/scratch rw - ext4 /dev/sda1 rw
23 20 0:23 / /with\\040space rw - fuse.sshfs host: rw
24 20 0:24 / /twice rw - ext4 /dev/sdb1 rw
25 20 0:25 / /twice rw - lustre mds:/l rw
26 20 0:26 / /scratch rw - beegfs_nodev beegfs_nodev rw
"""


class CountingPool:
    """Judges by the source alone, and remembers what it was asked."""

    runtime, image = "bubblewrap", "image@sha256:1"

    def __init__(self):
        self.ran = []

    def run(self, programs):
        for program in list(programs):
            self.ran.append(program.key)
            yield Verdict(program.key, program.source, None, "", "", 0.1, 0.1, 1.0, self.runtime, self.image)


def run(path, programs, pool):
    with VerdictCache(path) as cache:
        return [(v.key, v.status) for v in cache.run(pool, programs, DEFAULT_LIMITS)]


def test_each_program_runs_once_and_verdicts_keep_their_order(tmp_path):
    programs = [Program(str(n), ["passed", "assertion", "timeout"][n % 3]) for n in range(9)]
    expected = [(program.key, program.source) for program in programs]
    pool = CountingPool()
    assert run(tmp_path / "c", programs, pool) == expected
    assert pool.ran == ["0", "1", "2"]
    more = [*programs, Program("9", "exception"), Program("10", "passed")]
    assert run(tmp_path / "c", more, pool) == [*expected, ("9", "exception"), ("10", "passed")]
    assert pool.ran == ["0", "1", "2", "9"]


def test_trouble_is_not_kept(tmp_path):
    pool = CountingPool()
    for _ in range(2):
        assert run(tmp_path / "c", [Program("a", "infrastructure")], pool) == [("a", "infrastructure")]
    assert pool.ran == ["a", "a"]


def test_limits_input_runtime_and_image_are_in_the_key():
    program = Program("a", "pass")
    keys = {
        cache_key(program, DEFAULT_LIMITS, "bubblewrap", "one"),
        cache_key(replace(program, source="pass "), DEFAULT_LIMITS, "bubblewrap", "one"),
        cache_key(replace(program, stdin="x"), DEFAULT_LIMITS, "bubblewrap", "one"),
        cache_key(program, Limits(wall_s=1.0), "bubblewrap", "one"),
        cache_key(program, DEFAULT_LIMITS, "docker", "one"),
        cache_key(program, DEFAULT_LIMITS, "bubblewrap", "two"),
    }
    assert len(keys) == 6
    same = replace(program, key="b")
    assert cache_key(same, DEFAULT_LIMITS, "bubblewrap", "one") in keys


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/results/verdicts.sqlite", "nfs4"),
        ("/with space/v", "fuse.sshfs"),
        ("/twice/v", "lustre"),
        ("/scratch/v", "beegfs_nodev"),
    ],
)
def test_a_network_file_system_is_refused(path, kind):
    with pytest.raises(ConfigError, match=rf"'{path}' .*paths\.verdicts.* \({kind}\).* local disk") as raised:
        check_place(Path(path), MOUNTS)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["/home/me/scratch/v", "/homes/v", "/v"])
def test_other_file_systems_are_not(path):
    assert file_system(Path(path), MOUNTS) in ("ext4", "overlay")
    check_place(Path(path), MOUNTS)


def test_the_file_system_of_a_path_here_is_known(tmp_path):
    mounts = Path("/proc/self/mountinfo").read_text()
    assert file_system(Path("/proc/verdicts"), mounts) == "proc"
    assert file_system(tmp_path / "not/there", mounts)


def refused(path):
    with pytest.raises((ConfigError, InfrastructureError), match=r"paths\.verdicts") as raised:
        VerdictCache(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_no_file_of_verdicts_is_one_line(tmp_path):
    assert "is a directory" in refused(tmp_path)
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    assert "file is not a database" in refused(tmp_path / "garbage")
    assert "directory cannot be made" in refused(tmp_path / "garbage/below")
    with sqlite3.connect(tmp_path / "other") as other:
        other.execute("CREATE TABLE verdicts (something)")
    assert "no such column" in refused(tmp_path / "other")
    assert (tmp_path / "garbage").read_bytes() == b"garbage" * 1000


def verdict(key="a"):
    return Verdict(key, "passed", None, "x" * 3000, "", 0.1, 0.1, 1.0, "bubblewrap", "image")


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "c"
    with VerdictCache(path) as cache:
        cache.put("a", verdict())
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **more: connect(f"file:{path}?mode=ro", uri=True, **more)
    )
    assert "readonly database" in refused(path)


def test_a_full_disk_is_one_line(tmp_path):
    with VerdictCache(tmp_path / "c") as cache:
        cache._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(InfrastructureError, match=r"paths\.verdicts.* disk is full; ") as raised:
            for number in range(100):
                cache.put(str(number), verdict(str(number)))
    assert "\n" not in str(raised.value)
    with VerdictCache(tmp_path / "c") as cache:
        assert cache.get("0") == verdict("0")


def test_a_row_that_is_no_verdict_is_one_line(tmp_path):
    with VerdictCache(tmp_path / "c") as cache:
        for content in ("{", "{}", "[]"):
            cache._connection.execute("INSERT OR REPLACE INTO verdicts VALUES ('a', ?)", (content,))
            with pytest.raises(InfrastructureError, match=r"paths\.verdicts"):
                cache.get("a")
