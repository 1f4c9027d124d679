"""Access to the model and data hub (huggingface.co, or HF_ENDPOINT) with huggingface_hub: commits, cache, errors.

huggingface_hub reads address, token and proxies from HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and HTTPS_PROXY.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from selfalign.core.config.revisions import Kind, Resolved, is_commit
from selfalign.core.errors import ConfigError, InfrastructureError, SelfalignError

log = logging.getLogger(__name__)

# Files of a model's repository that belong to a checkpoint.
CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.py")
_WORDS = {"model": "model", "dataset": "data set"}


def resolve_revision(kind: Kind, name: str, revision: str) -> Resolved:
    """Return the commit that a branch or tag of a repository points to.

    A commit hash is returned as it is, without a request. If the hub does not answer, the commit in its local cache is
    used.

    Args:
        kind: "model" or "dataset".
        name: id of the repository, ``owner/name``.
        revision: branch, tag or commit hash.

    Raises:
        ConfigError: the hub has no such repository or revision for this user.
        InfrastructureError: the hub cannot be reached, and its cache here does not know the revision.
    """
    from huggingface_hub import HfApi, constants

    if is_commit(revision):
        return Resolved(kind, name, revision, revision, None)
    api = HfApi()
    try:
        try:
            commit, endpoint = api.repo_info(name, repo_type=kind, revision=revision).sha, constants.ENDPOINT
        except Exception as error:
            if not _is_unreachable(error):
                raise
            cached = api.resolve_revision(name, repo_type=kind, revision=revision, local_files_only=True)
            commit, endpoint = cached.resolved, None
            log.warning("the hub does not answer; its cache here has %s@%s at %s", name, revision, commit)
    except Exception as error:
        raise _known(error, kind, name, revision) from None
    if commit is None:
        raise InfrastructureError(f"the hub {constants.ENDPOINT} names no commit of {_WORDS[kind]} '{name}'")
    return Resolved(kind, name, revision, commit, endpoint)


def check_file(kind: Kind, name: str, revision: str, file: str, *, timeout_s: float | None = None) -> None:
    """Check that the hub offers a file to this user.

    Args:
        kind: "model" or "dataset".
        name: id of the repository, ``owner/name``.
        revision: branch, tag or commit hash.
        file: path within the repository.
        timeout_s: longest wait for an answer, in seconds; None: the library's default.

    Raises:
        ConfigError: there is no such repository, revision or file, or the user has no access to it.
        InfrastructureError: the hub cannot be reached or fails.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    try:
        get_hf_file_metadata(
            hf_hub_url(name, file, repo_type=kind, revision=revision),
            timeout=timeout_s or constants.HF_HUB_ETAG_TIMEOUT,
        )
    except Exception as error:
        raise _known(error, kind, name, revision, file) from None


def list_files(kind: Kind, name: str, revision: str) -> list[str]:
    """Return the paths of all files of a repository, within it.

    Args:
        kind: "model" or "dataset".
        name: id of the repository, ``owner/name``.
        revision: branch, tag or commit hash.

    Raises:
        ConfigError: there is no such repository or revision, or the user has no access to it.
        InfrastructureError: the hub cannot be reached or fails.
    """
    from huggingface_hub import HfApi

    try:
        return HfApi().list_repo_files(name, repo_type=kind, revision=revision)
    except Exception as error:
        raise _known(error, kind, name, revision) from None


def cached_checkpoint(name: str, revision: str) -> Path | None:
    """Return the directory of a complete checkpoint in the local hub cache, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            name, revision=revision, allow_patterns=[*CHECKPOINT_FILES], local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    # A snapshot without a list of its files may consist of the configuration only.
    return Path(found) if any(Path(found).glob("*.safetensors")) else None


def explain_failure(
    error: BaseException, kind: Kind, name: str, revision: str | None = None, file: str | None = None
) -> SelfalignError | None:
    """Return the error for a failure of huggingface_hub, with a message of one line; None if it does not concern the hub.

    Args:
        error: exception of huggingface_hub, or of a library that uses it.
        kind: "model" or "dataset".
        name: id of the repository, ``owner/name``.
        revision: branch, tag or commit hash.
        file: path of the requested file within the repository; None if the request was not for a file.
    """
    from huggingface_hub import constants, get_token
    from huggingface_hub import errors as hub

    what = f"{_WORDS[kind]} '{name}'"
    chain = list(_chain(error))

    def among(*kinds: type[BaseException]) -> BaseException | None:
        return next((each for each in chain if isinstance(each, kinds)), None)

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{name}"
    to_do = (
        "the account of your HF_TOKEN has no access; accept its terms there, or wait for the approval"
        if get_token()
        else "accept its terms there and set HF_TOKEN"
    )
    refusals = {  # the first match counts: a gated repository is also reported as not found
        hub.GatedRepoError: f"{what} is gated ({page}): {to_do}",
        hub.RevisionNotFoundError: f"{what} has no revision '{revision}'; give a branch, tag or commit hash of it",
        hub.RemoteEntryNotFoundError: f"{what} has no file '{file}' at revision {revision}; check the name",
        hub.RepositoryNotFoundError: f"the hub {constants.ENDPOINT} has no {what} that you may read; "
        "check the id, and HF_TOKEN if it is private",
        hub.HFValidationError: f"{what} is no id on a hub; expected owner/name",
    }
    for refusal, line in refusals.items():
        if among(refusal):
            return ConfigError(line)
    if constants.is_offline_mode() and among(
        hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError, hub.RevisionResolutionError
    ):
        return InfrastructureError(
            f"HF_HUB_OFFLINE is set, and the hub's cache here ({constants.HF_HUB_CACHE}) does not hold {what} "
            f"at revision {revision}; unset it, or fill the cache where there is a network"
        )
    failed = among(hub.HfHubHTTPError)
    if isinstance(failed, hub.HfHubHTTPError) and failed.response is not None:
        status = failed.response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ConfigError(f"the hub refuses {what} (status {status}); check HF_TOKEN and what it may do")
        return InfrastructureError(
            f"the hub {constants.ENDPOINT} failed for {what} (status {status}); try again"
        )
    lost = next((each for each in reversed(chain) if _is_unreachable(each)), None)
    if lost := lost or among(hub.LocalEntryNotFoundError, hub.FileMetadataError):
        return InfrastructureError(
            f"cannot get {what} at revision {revision}: the hub {constants.ENDPOINT} cannot be reached "
            f"({_line(lost)}); check the network, HF_ENDPOINT and the proxies, or give a local path"
        )
    return None


def _known(error: Exception, kind: Kind, name: str, revision: str, file: str | None = None) -> Exception:
    """Return the error of :func:`explain_failure`, or `error` itself if it does not concern the hub."""
    return explain_failure(error, kind, name, revision, file) or error


def _is_unreachable(error: BaseException) -> bool:
    """Return whether an error means that the hub, or a proxy on the way to it, did not answer as expected."""
    # Errors of the library's HTTP client (httpx or httpx2) do not derive from Python's connection errors.
    client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
    # All threads of a download share a client; when one of them cannot connect, the library closes it for all of them.
    closed = isinstance(error, RuntimeError) and "client has been closed" in str(error)
    # The login page of a proxy is not JSON.
    return client or closed or isinstance(error, ConnectionError | TimeoutError | json.JSONDecodeError)


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
