"""Configuration of downloads, and the description of a file that is pinned by its checksum."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.paths import ExistingDirectory, ExistingFile

SHA256 = "^[0-9a-f]{64}$"


class DownloadsConfig(Section):
    """Download sources of pinned files. Every file is verified by its checksum, whatever its source."""

    local: ExistingDirectory | None = Field(
        default=None,
        description="Directory of local copies, searched before anything is downloaded. The name of each file is in "
        "the error message of its failed download.",
    )
    mirrors: dict[str, str] = Field(
        default={},
        description="Base URLs and their replacements, such as "
        "{https://github.com/: https://mirror.example.org/github/}; the longest match wins. The environment "
        "variables "
        "HF_ENDPOINT and HTTP_PROXY, HTTPS_PROXY and NO_PROXY apply as well.",
    )
    timeout_s: float = Field(
        default=60.0, gt=0, description="Timeout, in seconds without data, after which a transfer is retried."
    )
    attempts: int = Field(default=4, ge=1, description="Maximum number of attempts per file.")

    @field_validator("mirrors")
    @classmethod
    def _addresses(cls, value: dict[str, str]) -> dict[str, str]:
        for address in (*value, *value.values()):
            if not address.startswith(("http://", "https://")):
                raise ValueError(f"expected addresses that begin with http:// or https://, found '{address}'")
        return value


class PinnedFile(Section):
    """A published file, by URL and checksum, or a local file."""

    url: str | None = Field(default=None, description="URL of the published file.")
    sha256: str | None = Field(
        default=None, pattern=SHA256, description="SHA-256 checksum; required with `url`."
    )
    path: ExistingFile | None = Field(default=None, description="Path of a local file, instead of `url`.")

    @model_validator(mode="after")
    def _complete(self) -> PinnedFile:
        if (self.url is None) == (self.path is None):
            raise ValueError("expected either `url` (with `sha256`) or `path`")
        if self.url is not None and self.sha256 is None:
            raise ValueError("`url` needs `sha256`")
        return self

    @property
    def name(self) -> str:
        """File name: the last part of the URL or path."""
        return PurePosixPath(urlsplit(self.url).path if self.url else self.path or "").name
