"""Files that a build set out to make and did not."""

import os
import time

from selfalign.core.interrupted_outputs import InterruptedOutputs


def touch(path, age_s=0.0):
    path.write_text("")
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def test_old_files_are_overtaken_while_one_is_missing(tmp_path):
    planned = InterruptedOutputs(tmp_path / "deep/planned.json")
    names = [str(tmp_path / name) for name in "abcd"]
    a, b, c, _ = (tmp_path / name for name in "abcd")
    assert planned.outdated() == []
    for path in (a, b, c):
        touch(path, age_s=10)
    planned.plan(names[:3])
    assert planned.outdated() == []  # interrupted before any job: all is as it was
    a.unlink()
    assert planned.outdated() == names[1:3]
    touch(b, age_s=-10)
    assert planned.outdated() == names[2:3]
    planned.plan(names[3:])  # another build, of something else, which is killed too
    touch(c, age_s=5)
    assert planned.outdated() == names[2:3]
    for name in "acd":
        touch(tmp_path / name, age_s=-10)
    assert planned.outdated() == []


def test_what_is_missing_outlives_the_success_of_another_build(tmp_path):
    planned = InterruptedOutputs(tmp_path / "planned.json")
    first, second = tmp_path / "first", tmp_path / "second"
    touch(second, age_s=10)
    planned.plan([str(first), str(second)])
    planned.finish()
    assert planned.outdated() == [str(second)]
    for path in (first, second):
        touch(path, age_s=-10)
    planned.finish()
    assert not (tmp_path / "planned.json").exists()
