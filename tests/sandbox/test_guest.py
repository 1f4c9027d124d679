"""Parts of the zygote by themselves; their purpose is tested in test_hostile and test_pool."""

import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

from selfalign.sandbox.launch import GUEST


@pytest.fixture
def processes():
    spec = importlib.util.spec_from_file_location("processes", GUEST / "processes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def directories():
    return [place for place in (tempfile.gettempdir(), "/dev/shm", "/var/tmp") if os.access(place, os.W_OK)]


@pytest.mark.parametrize("where", directories())
def test_whatever_is_left_in_a_place_is_removed(processes, where):
    with tempfile.TemporaryDirectory(dir=where) as path:
        Path(path, "from before").touch()
        place = processes.Scratch(path)
        assert not any(Path(path).iterdir())
        assert not place.empty()
        for leave in (_file, _hidden, _renamed, _deep, _dangling, _locked):
            leave(Path(path))
            assert place.empty(), leave.__name__
            assert not any(Path(path).iterdir())
            assert not place.empty()


def test_a_place_gets_its_permissions_back(processes, tmp_path):
    place = processes.Scratch(str(tmp_path))
    tmp_path.chmod(0o500)
    assert not place.empty()
    assert tmp_path.stat().st_mode & 0o777 == 0o777


def test_a_place_whose_size_tells_nothing_is_looked_into(processes, tmp_path, monkeypatch):
    monkeypatch.setattr(processes.Scratch, "look", lambda _: (4096, 0o40777))
    place = processes.Scratch(str(tmp_path))
    (tmp_path / "left").touch()
    assert place.empty()
    assert not any(tmp_path.iterdir())


def _file(path):
    (path / "x").touch()


def _hidden(path):
    (path / ".x").mkdir()


def _renamed(path):
    (path / "a").touch()
    (path / "b").touch()
    (path / "a").rename(path / "b")


def _deep(path):
    (path / "a/b/c/d").mkdir(parents=True)


def _dangling(path):
    (path / "link").symlink_to("/nowhere")


def _locked(path):
    (path / "a/b").mkdir(parents=True)
    (path / "a").chmod(0)
