"""A configuration is read from a YAML file, or refused with one line."""

import pytest

from selfalign.core.config import Config, read_config
from selfalign.core.errors import ConfigError


def test_no_file_and_an_empty_file_are_the_default(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read_config(None) == read_config(tmp_path / "empty.yaml") == Config()


def test_values_are_layered_over_the_default(tmp_path):
    (tmp_path / "mine.yaml").write_text("training: {num_train_epochs: 4}\n")
    assert read_config(tmp_path / "mine.yaml").training.num_train_epochs == 4


@pytest.mark.parametrize("text", [None, "a: [", "training: {epoch: 4}\n"])
def test_what_is_wrong_is_said_in_one_line(tmp_path, text):
    path = tmp_path / "wrong.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)


def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text(
        "seeds:\n  count: 3\n  count: 4\nrun: x\n"
        "evaluation: {benchmarks: [{name: humaneval, n: 1, n: 2}]}\n\n"
        "'run': y\ngeneration: {seed: 1}\ntraining: {seed: 1}\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).splitlines() == [
        f"configuration {path}: key 'seeds.count' is repeated, in lines 2 and 3; keep one",
        f"configuration {path}: key 'evaluation.benchmarks.0.n' is repeated, in lines 5 and 5; keep one",
        f"configuration {path}: key 'run' is repeated, in lines 4 and 7; keep one",
    ]
