"""A checkpoint from a hub or a local directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from selfalign.core.checkpoint import CARD, HUB_FILES, hub_snapshot, write_card
from selfalign.core.errors import DataError, InfrastructureError


def fetch_hub(model_id: str, revision: str, out: str | Path) -> None:
    """Download a checkpoint at a pinned revision (a commit hash) into `out`; resumes where it was cut.

    Where the hub does not answer, the copy in its cache on this machine is taken, if there is a whole one.

    Raises:
        InfrastructureError: the hub cannot be reached, or has no such model or revision for this user.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        snapshot_download(model_id, revision=revision, local_dir=out, allow_patterns=[*HUB_FILES])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        cached = hub_snapshot(model_id, revision)
        if cached is None:
            first = str(error).strip().splitlines()[0]
            raise InfrastructureError(
                f"cannot fetch model {model_id} at revision {revision}: {first}; "
                "check the id, the revision, HF_TOKEN and the network"
            ) from None
        _link(cached, Path(out))
    write_card(out, source=f"hub:{model_id}", revision=revision)


def link_local(path: str | Path, out: str | Path) -> None:
    """Make `out` a checkpoint directory that refers to the files of the local checkpoint `path`.

    Raises:
        DataError: `path` is not a checkpoint directory.
    """
    path, out = Path(path).resolve(), Path(out)
    if not (path / "config.json").exists():
        raise DataError("model.path: expected a checkpoint directory with a config.json", file=path)
    _link(path, out)
    write_card(out, source=f"path:{path.name}")


def _link(path: Path, out: Path) -> None:
    """Put the files of a checkpoint into `out`: the weights as links, the others as copies."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(p for p in path.iterdir() if p.is_file() and p.name != CARD):
        (out / file.name).unlink(missing_ok=True)
        if file.suffix in {".safetensors", ".bin"}:
            (out / file.name).symlink_to(file)
        else:
            shutil.copyfile(file, out / file.name)
