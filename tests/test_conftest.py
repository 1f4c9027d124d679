"""What a test run says that it left out, and that no faithful test is skipped unnoticed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import LEFT_OUT

TESTS = """
import pytest

def test_runs():
    pass

@pytest.mark.soak
@pytest.mark.parametrize("n", range(3))
def test_long(n):
    pass

@pytest.mark.engine
def test_in_a_container():
    pass

@pytest.mark.engine
@pytest.mark.soak
def test_counted_once():
    pass

@pytest.mark.published
def test_of_others():
    pass

@pytest.mark.parametrize("n", range(2))
def test_on_another_machine(n):
    pytest.skip("not run: a real Slurm (starting one needs root)")

@pytest.mark.skipif(True, reason="no compiler")
def test_with_a_compiler():
    pass
"""

FAITHFUL = """
import pytest

pytestmark = pytest.mark.faithful

def test_runs():
    pass

def test_skips():
    pytest.skip("no vectors here")

@pytest.mark.skipif(True, reason="not today")
def test_has_a_mark():
    pass

@pytest.mark.xfail(reason="differs in one row")
def test_is_expected_to_fail():
    assert False

@pytest.fixture
def unavailable():
    pytest.skip("no reference")

def test_has_a_fixture_that_skips(unavailable):
    pass
"""


@pytest.fixture
def run(root, tmp_path):
    """Run pytest with this project's settings and hooks on a file; return its exit status and what it said."""

    def pytest_on(text: str, *arguments: str) -> tuple[int, str]:
        (tmp_path / "test_it.py").write_text(text)
        # Not in a worker of the outer run.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
        command += ["-c", str(root / "pyproject.toml"), "--rootdir", str(tmp_path), "test_it.py", *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return pytest_on


@pytest.fixture(scope="module")
def selection(root) -> str:
    """The marker expression of `make test`."""
    (found,) = re.findall(r'^\t.*pytest -n .* -m "([^"]+)"', (root / "Makefile").read_text(), re.M)
    return found


def last_section(output: str) -> list[str]:
    *_, title, section = re.split(r"^=+ (tests that were not run) =+$", output, flags=re.MULTILINE)
    assert title == "tests that were not run"
    return section.strip().splitlines()


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_last_lines_say_what_was_not_run_and_why(run, selection, workers):
    status, output = run(TESTS, "-m", selection, *workers)
    assert status == 0, output
    *lines, _ = last_section(output)  # the last is pytest's own
    assert lines == [
        "1 marked 'published': `make published` runs them",
        "4 marked 'soak': `make soak` runs them",
        "1 marked 'engine': `make soak` runs them",
        "2 skipped: a real Slurm (starting one needs root)",
        "1 skipped: no compiler",
    ]


def test_nothing_is_said_where_all_ran(run):
    status, output = run("def test_runs():\n    pass\n")
    assert status == 0, output
    assert "not run" not in output


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_skipped_faithful_test_fails_the_run(run, workers):
    status, output = run(FAITHFUL, *workers)
    assert status == 1, output
    # Those that are skipped before they begin are errors, as in any set-up.
    assert "2 failed, 1 passed, 2 errors in" in output
    for name, reason in (
        ("test_skips", "no vectors here"),
        ("test_has_a_mark", "not today"),
        ("test_is_expected_to_fail", "expected to fail: differs in one row"),
        ("test_has_a_fixture_that_skips", "no reference"),
    ):
        assert f"test_it.py::{name}: it holds us to the reference (marker 'faithful')" in output
        assert f"and may not be skipped; it was: {reason}\n" in output


def test_a_module_cannot_skip_itself(run):
    status, output = run("import pytest\npytest.skip('no vectors', allow_module_level=True)\n")
    assert status not in (0, pytest.ExitCode.NO_TESTS_COLLECTED), output
    assert "test_it.py: skip its tests, not the module; it was skipped: no vectors" in output


def test_make_test_leaves_out_what_the_summary_knows(root, selection):
    assert selection.split(" and ") == [
        f"not {marker}" for marker in ("soak", "engine", "published", "ds1000")
    ]
    assert sorted(LEFT_OUT) == ["ds1000", "engine", "published", "soak"]
    targets = re.findall(r"^([a-z0-9]+):", (root / "Makefile").read_text(), re.MULTILINE)
    for target in LEFT_OUT.values():
        assert target.removeprefix("make ") in targets
