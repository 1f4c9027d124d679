"""A checkpoint of the hub where the hub does not answer: from its cache on this machine, or not at all."""

from __future__ import annotations

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from selfalign.core.checkpoint import hub_snapshot, read_identity
from selfalign.core.errors import InfrastructureError
from selfalign.model.fetch import fetch_hub


@pytest.fixture
def snapshot(tmp_path, monkeypatch):
    """The cache's directory of a checkpoint, in which nothing lies yet; the hub does not answer."""
    directory = tmp_path / "cache"
    directory.mkdir()

    def download(model_id, *, local_files_only=False, **_):
        if local_files_only and any(directory.iterdir()):
            return str(directory)
        raise LocalEntryNotFoundError(f"{model_id}: the hub does not answer")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return directory


def test_the_cache_serves_where_the_hub_does_not_answer(snapshot, tmp_path):
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_bytes(b"weights")
    fetch_hub("owner/model", "main", tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").resolve() == snapshot / "model.safetensors"
    assert read_identity(tmp_path / "out")


@pytest.mark.parametrize("files", [(), ("config.json",)])
def test_a_cache_without_weights_is_no_checkpoint(snapshot, tmp_path, files):
    for name in files:
        (snapshot / name).write_text("{}")
    assert hub_snapshot("owner/model", "main") is None
    with pytest.raises(InfrastructureError, match="cannot fetch model owner/model at revision main"):
        fetch_hub("owner/model", "main", tmp_path / "out")
