"""Environments of programs: what is installed, what programs see of it, and what is refused."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace

import pytest

from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.program_environments import (
    MANIFEST,
    find_interpreter,
    find_lock,
    install_environment,
    program_environment,
)
from selfalign.sandbox import Program, open_pool
from selfalign.sandbox.cache import cache_key
from selfalign.sandbox.slot import Slot
from selfalign.sandbox.types import DEFAULT_LIMITS

IMPORTS = "import importlib.util\nassert [importlib.util.find_spec(n) is not None for n in {}] == {}"


@pytest.fixture(scope="module")
def lock(root, tmp_path_factory):
    """The lock file of an environment with one small package."""
    text = (root / "envs/programs/full.lock").read_text()
    found = re.search(r"^sortedcontainers==.*(?:\n .*)*\n", text, re.MULTILINE)
    path = tmp_path_factory.mktemp("locks") / "small.lock"
    path.write_text(found[0])
    return path


@pytest.fixture(scope="module")
def small(lock, tmp_path_factory):
    """The directory of that environment."""
    directory = tmp_path_factory.mktemp("environments") / "small"
    install_environment(lock, directory)
    return directory


def test_a_program_sees_the_packages_of_its_environment_and_no_others(small):
    names = ["sortedcontainers", "pandas", "pip", "selfalign", "json"]
    for environment, seen in (
        (program_environment("small", small), [True, False, False, False, True]),
        (program_environment("stdlib"), [False, False, False, False, True]),
        (program_environment("build"), [True, True, True, None, True]),
    ):
        shown = [(name, found) for name, found in zip(names, seen, strict=True) if found is not None]
        source = IMPORTS.format([name for name, _ in shown], [found for _, found in shown])
        for runtime in ("bubblewrap", "none"):
            with open_pool(runtime, workers=1, environment=environment) as pool:
                (verdict,) = pool.run([Program("imports", source)])
                assert (verdict.status, verdict.stderr) == ("passed", ""), environment.name
                assert verdict.image == environment.digest()


def test_the_manifest_says_what_is_installed(small, lock):
    manifest = json.loads((small / MANIFEST).read_text())
    assert manifest["name"] == "small"
    assert manifest["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert manifest["distributions"] == [lock.read_text().split()[0]]
    assert manifest["modules"] == ["sortedcontainers"]
    environment = program_environment("small", small)
    environment.check_modules(["sortedcontainers"], "seeds.imports.packages")
    with pytest.raises(ConfigError, match=r"'seeds.imports.packages' has 'numpy'.*small.*sortedcontainers"):
        environment.check_modules(["numpy"], "seeds.imports.packages")
    with pytest.raises(ConfigError, match=r"stdlib.*expected no package"):
        program_environment("stdlib").check_modules(["numpy"], "seeds.imports.packages")


def test_an_installation_can_be_repeated_and_moved(small, lock, tmp_path):
    """The digest neither depends on the place nor on the time of installation."""
    install_environment(lock, tmp_path / "again")
    (tmp_path / "again/packages/left.py").touch()
    install_environment(lock, tmp_path / "again")
    (tmp_path / "again").rename(tmp_path / "moved")
    moved = program_environment("small", tmp_path / "moved")
    assert sorted(path.name for path in (tmp_path / "moved/packages").glob("*.py")) == []
    assert moved.digest() == program_environment("small", small).digest()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_the_environment_is_part_of_a_kept_verdict(small):
    program = Program("p", "assert True")
    keys = {
        cache_key(program, DEFAULT_LIMITS, "bubblewrap", program_environment(name, directory).digest())
        for name, directory in (("build", None), ("stdlib", None), ("small", small))
    }
    assert len(keys) == 3


def test_a_hash_that_differs_is_refused(lock, tmp_path):
    wrong = tmp_path / "wrong.lock"
    wrong.write_text(re.sub(r"sha256:\w{64}", "sha256:" + "0" * 64, lock.read_text()))
    with pytest.raises(
        InfrastructureError, match=r"pip cannot install the packages of .*wrong\.lock: .*HASHES"
    ):
        install_environment(wrong, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_what_is_no_environment_is_refused_in_one_line(small, tmp_path):
    with pytest.raises(DataError, match=r"environment\.json.*"):
        program_environment("small", tmp_path)
    for damaged in (
        "[]",
        '{"name": "small", "modules": []}',
        '{"name": "small", "modules": 1, "python": "3.11"}',
    ):
        (tmp_path / "environment.json").write_text(damaged)
        with pytest.raises(DataError, match="expected the manifest of an environment"):
            program_environment("small", tmp_path)
    with pytest.raises(DataError, match="expected the environment 'other', found 'small'"):
        program_environment("other", small)
    with pytest.raises(ConfigError, match="expected the directory"):
        program_environment("small")
    with pytest.raises(ConfigError, match=r"'nimpy'; expected stdlib, build, ds1000, full, numpy, or a lock"):
        find_lock("nimpy")
    with pytest.raises(InfrastructureError, match=r"expected Python 2\.7 as python2\.7 on the PATH"):
        find_interpreter("2.7")
    with pytest.raises(DataError, match="expected a lock file"):
        install_environment(tmp_path / "none.lock", tmp_path / "none")


def test_an_interpreter_that_does_not_start_is_named(tmp_path, monkeypatch):
    hanging = tmp_path / "python2.6"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("selfalign.program_environments.INTERPRETER_S", 0.1)
    with pytest.raises(InfrastructureError, match=r"python2\.6 did not start within 0\.1 s"):
        find_interpreter("2.6")


def test_a_lock_file_of_the_working_directory_precedes(tmp_path, monkeypatch, lock):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envs/programs").mkdir(parents=True)
    (tmp_path / "envs/programs/numpy.lock").write_text(lock.read_text())
    assert find_lock("numpy").resolve() == tmp_path / "envs/programs/numpy.lock"
    assert find_lock("full").name == "full.lock"


def test_a_sandbox_with_another_version_of_python_is_refused(small):
    """Of a container engine, whose image has its own interpreter."""
    from selfalign.sandbox.bubblewrap import Bubblewrap

    runtime = Bubblewrap(program_environment("small", small))
    other = replace(
        runtime.environment, interpreter=replace(runtime.environment.interpreter, version="3.99.1")
    )
    command = runtime.launch(DEFAULT_LIMITS)
    runtime.environment = other
    runtime.launch = lambda *_: command  # pyright: ignore[reportAttributeAccessIssue] - a container's interpreter
    with pytest.raises(InfrastructureError, match=r"has Python 3\.\d+\.\d+, but the environment 'small'"):
        Slot(runtime)
