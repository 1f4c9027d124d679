"""Every path in the configuration: expanded when it is read, looked for before anything runs."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from selfalign.core.config import Config, load_config, read_config
from selfalign.core.config.document import _section_of
from selfalign.core.config.paths import (
    Existing,
    Expanded,
    annotations_of,
    check_files,
    existing_of,
    find_bundled,
    with_bundled_files,
)
from selfalign.core.errors import ConfigError

# Keys that speak of files and hold no path of this machine's.
NO_PATHS = {
    "generation.few_shots_url": "an address",
    "generation.few_shots_sha256": "a hash",
    "seeds.sources.column": "a name",
    "execution.environment": "a name",
    "reproduction.published_samples.samples.url": "an address",
    "reproduction.published_samples.verdicts.url": "an address",
    "server.command": "words of a command",
}


def fields(model=Config, prefix=""):
    """Yield (key, field) of every key; the items of a list of sections go by the list's key."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}", field
        if (section := _section_of(field.annotation)) is not None:
            yield from fields(section, f"{prefix}{name}.")
        for argument in getattr(field.annotation, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, BaseModel) and argument is not section:
                yield from fields(argument, f"{prefix}{name}.")


PATHS = {key: field for key, field in fields() if Expanded in annotations_of(field)}
EXISTING = {key: existing_of(field) for key, field in PATHS.items() if existing_of(field)}


def config_with(key, value):
    """Return a whole configuration, as parsed YAML, with `value` at `key`."""
    config = Config().model_dump(mode="json")
    # By default there are none; files that exist, for all but the key that is looked at.
    files = {"samples": {"path": __file__}, "verdicts": {"path": __file__}}
    config["reproduction"]["published_samples"] = [
        {"model": "a/b", "benchmark": "humaneval", "version": "v1", **files}
    ]
    target = config
    *path, last = key.split(".")
    for part in path:
        target = target[part]
        target = target[0] if isinstance(target, list) else target
    target[last] = [value] if isinstance(target[last], list) else value
    if key == "model.path":
        config["model"]["source"] = "path"
    if key == "start.dataset":
        config["start"] |= {"stage": "seeds", "count": 1}
    return config


def value_at(config, key):
    for part in key.split("."):
        config = getattr(config, part)
        config = config[0] if isinstance(config, list) else config
    return config


def test_there_are_paths():
    assert {"paths.results", "model.path", "generation.few_shots", "seeds.sources.opt_out"} <= PATHS.keys()
    assert {"model.path", "seeds.sources.path", "training.accelerate"} <= EXISTING.keys()
    assert "paths.results" not in EXISTING


@pytest.mark.parametrize("key", PATHS)
def test_home_and_variables_are_expanded_wherever_a_path_is(key, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    for written, meant in (
        ("~/a.yaml", f"{tmp_path}/a.yaml"),
        ("$SCRATCH/a.yaml", "/scratch/me/a.yaml"),
        ("${SCRATCH}/a/b.yaml", "/scratch/me/a/b.yaml"),
        ("a~b/c$.yaml", "a~b/c$.yaml"),
    ):
        config = load_config(config_with(key, written))
        assert value_at(config, key) == meant
        # Read again, as every job does.
        assert load_config(config.model_dump()) == config


@pytest.mark.parametrize("key", PATHS)
def test_what_cannot_be_expanded_is_refused_by_its_key(key, monkeypatch):
    monkeypatch.delenv("SCRATCH", raising=False)
    for written, why in (
        ("$SCRATCH/a", "the environment variable SCRATCH is not set"),
        ("x/${SCRATCH}", "the environment variable SCRATCH is not set"),
        (
            "~no-such-user/a",
            "there is no user 'no-such-user'; for a file of this name, write ./~no-such-user/a",
        ),
    ):
        with pytest.raises(ConfigError) as error:
            load_config(config_with(key, written))
        shown = re.sub(r"\.0\.", ".", str(error.value))
        assert shown == f"configuration: '{key}' is '{written}'; {why}"


@pytest.mark.parametrize("key", EXISTING)
def test_what_is_missing_is_refused_by_its_key(key, monkeypatch, tmp_path, root):
    monkeypatch.chdir(tmp_path)
    existing = EXISTING[key]
    value = "./nowhere.sif"
    assert existing.concerns(value), key
    config = load_config(config_with(key, value))
    with pytest.raises(ConfigError) as error:
        check_files(config, root)
    assert "\n" not in str(error.value)
    shown = re.sub(r"\.0\.", ".", str(error.value))
    assert shown.startswith(f"configuration: '{key}' is '{value}'; there is no such {existing.kind} in ")
    assert str(tmp_path) in shown
    assert (str(root) in shown) == existing.bundled
    # Of the wrong kind.
    if existing.kind != "file or directory":
        make(tmp_path / "nowhere.sif", "directory" if existing.kind == "file" else "file")
        with pytest.raises(ConfigError):
            check_files(config, root)
        (tmp_path / "nowhere.sif").rename(tmp_path / "other")
    make(tmp_path / "nowhere.sif", "directory" if existing.kind == "directory" else "file")
    check_files(config, root)


def make(path: Path, kind: str):
    if kind == "directory":
        path.mkdir()
    else:
        path.touch()


def test_all_that_is_missing_is_named_at_once(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    value = {"generation": {"prompt_template": "r.yaml", "few_shots": str(tmp_path / "f.txt")}}
    with pytest.raises(ConfigError) as error:
        check_files(load_config(value), root)
    assert str(error.value).splitlines() == [
        f"configuration: 'generation.prompt_template' is 'r.yaml'; there is no such file in {tmp_path} or {root}",
        f"configuration: 'generation.few_shots' is '{tmp_path}/f.txt'; there is no such file",
    ]


def test_the_default_finds_its_files_from_anywhere(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    check_files(Config(), root)
    for preset in sorted((root / "presets").rglob("*.yaml")):
        check_files(read_config(preset), root)


def test_names_are_not_looked_for(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    value = {
        "training": {"accelerate": "zero3"},
        "execution": {"image": "docker.io/library/python:3.12"},
        "server": {"container": {"image": "docker.io/vllm/vllm-openai:v0.32.0"}},
        "seeds": {"sources": {"dataset": "bigcode/the-stack-dedup"}},
    }
    check_files(load_config(value), root)


def test_a_file_here_goes_before_the_one_that_comes_with_the_workflow(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    name = "prompts/few_shots_short.txt"
    assert find_bundled(name, root) == root / name
    assert find_bundled("nowhere.txt", root) == Path("nowhere.txt")
    config = with_bundled_files(Config(), root)
    assert config.generation.few_shots == str(root / name)
    assert config.seeds.sources.lock == str(root / "envs/sources.lock")
    assert config.training.accelerate == "auto"
    (tmp_path / "prompts").mkdir()
    (tmp_path / name).touch()
    assert find_bundled(name, root) == Path(name)
    assert with_bundled_files(Config(), root).generation.few_shots == name


def test_what_is_not_bundled_is_never_taken_from_the_workflow(tmp_path, monkeypatch, root):
    """A misspelt directory of seeds must not become the workflow's own sources."""
    monkeypatch.chdir(tmp_path)
    value = {"seeds": {"sources": {"kind": "directory", "path": "src"}}}
    with pytest.raises(ConfigError, match=r"'seeds\.sources\.path' is 'src'; there is no such"):
        check_files(load_config(value), root)


def test_no_path_is_forgotten():
    """What speaks of a file, directory or path has the type of a path."""
    speaking = {
        key
        for key, field in fields()
        if re.search(r"\b(file|directory|path|directories|\.sif)\b", field.description or "", re.IGNORECASE)
        and ("str" in str(field.annotation))
        and "Literal" not in str(field.annotation)
    }
    assert speaking - PATHS.keys() == NO_PATHS.keys()


def test_a_marked_path_is_also_expanded():
    for key, field in fields():
        if any(isinstance(each, Existing) for each in annotations_of(field)):
            assert key in PATHS, key
