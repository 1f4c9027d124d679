"""Files that a build set out to make and did not."""

import os
import time

from selfalign.core.unmade import Unmade


def touch(path, age_s=0.0):
    path.write_text("")
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def test_old_files_are_overtaken_while_one_is_missing(tmp_path):
    unmade = Unmade(tmp_path / "deep/unmade.json")
    names = [str(tmp_path / name) for name in "abcd"]
    a, b, c, _ = (tmp_path / name for name in "abcd")
    assert unmade.overtaken() == []
    for path in (a, b, c):
        touch(path, age_s=10)
    unmade.expect(names[:3])
    assert unmade.overtaken() == []  # interrupted before any job: all is as it was
    a.unlink()
    assert unmade.overtaken() == names[1:3]
    touch(b, age_s=-10)
    assert unmade.overtaken() == names[2:3]
    unmade.expect(names[3:])  # another build, of something else, which is killed too
    touch(c, age_s=5)
    assert unmade.overtaken() == names[2:3]
    for name in "acd":
        touch(tmp_path / name, age_s=-10)
    assert unmade.overtaken() == []


def test_what_is_missing_outlives_the_success_of_another_build(tmp_path):
    unmade = Unmade(tmp_path / "unmade.json")
    first, second = tmp_path / "first", tmp_path / "second"
    touch(second, age_s=10)
    unmade.expect([str(first), str(second)])
    unmade.settle()
    assert unmade.overtaken() == [str(second)]
    for path in (first, second):
        touch(path, age_s=-10)
    unmade.settle()
    assert not (tmp_path / "unmade.json").exists()
