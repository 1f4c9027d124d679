"""Uploading the data set to a hub. Opt-in: no ordinary build does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selfalign.core.errors import ConfigError
from selfalign.hub import explain_failure


def push_dataset(
    files: Sequence[str | Path],
    repository: str | None,
    *,
    private: bool = True,
    message: str = "Upload the data set",
) -> dict[str, Any]:
    """Upload `files`, all of one directory, as one commit to a data set on the hub, which is made if it is new.

    Args:
        repository: ``owner/name``.
        private: whether a new one is private.

    Returns:
        what was pushed: ``repository``, ``commit``, ``url``, ``files``.

    Raises:
        ConfigError: no repository is named, or the hub refuses it or the token.
        InfrastructureError: the hub cannot be reached or fails.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not repository:
        raise ConfigError("configuration: 'curation.export.hub' names no data set (owner/name) to push to")
    paths = [Path(file) for file in files]
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        done = api.upload_folder(
            folder_path=paths[0].parent,
            repo_id=repository,
            repo_type="dataset",
            allow_patterns=[path.name for path in paths],
            commit_message=message,
        )
    except HFValidationError as error:
        raise ConfigError(f"configuration: 'curation.export.hub' is {repository!r}; {error}") from None
    except Exception as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        if status in (401, 403):
            raise ConfigError(
                f"the hub refuses '{repository}' (status {status}); set HF_TOKEN to a token that may write there"
            ) from None
        raise explain_failure(error, "dataset", repository, "main") or error from None
    return {
        "repository": repository,
        "commit": done.oid,
        "url": done.commit_url,
        "files": [path.name for path in paths],
    }
