"""Upload of the data set to the hub, which only the rule `push_dataset` does."""

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
    """Upload files as one commit to a data set on the hub, which is created if it does not exist.

    Args:
        files: files of one directory.
        repository: ``owner/name`` of the data set.
        private: whether the data set is private if it is created.
        message: commit message.

    Returns:
        what was uploaded: ``repository``, ``commit``, ``url``, ``files``.

    Raises:
        ConfigError: no repository is named, or the hub refuses it or the token.
        InfrastructureError: the hub cannot be reached or fails.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not repository:
        raise ConfigError(
            "configuration: 'curation.export.hub' is null; expected the data set (owner/name) to upload to"
        )
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
                f"the hub refuses '{repository}' (status {status}); set HF_TOKEN to a token with write access to it"
            ) from None
        raise explain_failure(error, "dataset", repository, "main") or error from None
    return {
        "repository": repository,
        "commit": done.oid,
        "url": done.commit_url,
        "files": [path.name for path in paths],
    }
