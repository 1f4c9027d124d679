"""The push before any hub is asked; with one: tests/hub."""

import pytest

from selfalign.core.errors import ConfigError
from selfalign.curate.push import push_dataset


def test_without_a_name_nothing_is_pushed(tmp_path):
    with pytest.raises(ConfigError, match=r"curation\.export\.hub"):
        push_dataset([tmp_path / "README.md"], None)
    with pytest.raises(ConfigError, match=r"curation\.export\.hub"):
        push_dataset([tmp_path / "README.md"], "not a name")
