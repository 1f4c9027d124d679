"""Configuration of a run that starts at a later stage, with rows from elsewhere."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from selfalign.core.config.base import Section
from selfalign.core.config.seeds import DataFiles, DatasetName

# The rows that a run can start with, in the order of the stages that write them.
Stage = Literal["seeds", "concepts", "instructions", "responses", "filtered", "dataset"]


class StartConfig(Section):
    """Start at a later stage: its rows are imported, and no earlier stage runs."""

    stage: Stage | None = Field(
        default=None,
        description="Rows to import: seeds, concepts, instructions, responses, filtered (responses that passed execution) or "
        "dataset (final rows; they are selected and decontaminated, but not sanitised). null: none, the run starts with "
        "`seeds.sources`.",
    )
    dataset: DatasetName | None = Field(
        default=None,
        description="Data set on the hub (owner/name; gated ones require HF_TOKEN), or a directory, which begins with / or a dot.",
    )
    revision: str | None = Field(
        default=None,
        description="Commit hash of `dataset` on the hub; a branch or tag (null: main) is resolved once and recorded.",
    )
    files: DataFiles = Field(
        default=[],
        description="Data files of `dataset`, Parquet or JSON Lines; ranges are expanded, as in `seeds.sources.files`. []: all "
        "its Parquet and JSON Lines files, in the order of their names.",
    )
    rename: dict[str, str] = Field(
        default={},
        description="New names of columns, as {column: field}. The fields are seed, concepts, instruction and response; other "
        "columns are kept.",
    )
    count: int | None = Field(
        default=None,
        ge=1,
        description="Number of rows to take, from the first; required with `stage`. It replaces `seeds.count`; increasing it "
        "only adds shards.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_branch(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("stage") is None or value.get("revision") is not None:
            return value
        on_hub = isinstance(value.get("dataset"), str) and not _is_directory(value["dataset"])
        return {**value, "revision": "main"} if on_hub else value

    @model_validator(mode="after")
    def _complete(self) -> StartConfig:
        given = [name for name in ("dataset", "revision", "files", "rename", "count") if getattr(self, name)]
        if self.stage is None:
            if given:
                raise ValueError(f"`{given[0]}` needs `stage`, the stage whose rows are imported")
            return self
        if missing := [name for name in ("dataset", "count") if getattr(self, name) is None]:
            raise ValueError(f"stage '{self.stage}' needs `{missing[0]}`")
        if self.is_local and self.revision is not None:
            raise ValueError("`revision` conflicts with a directory, which has no revisions; remove it")
        if not self.is_local and not self.revision:
            raise ValueError("a data set on the hub needs a `revision` that is not empty")
        fields = list(self.rename.values())
        if twice := next((each for each in fields if fields.count(each) > 1), None):
            raise ValueError(f"`rename` gives two columns the name '{twice}'; give each a name of its own")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the data set is a directory."""
        return self.dataset is not None and _is_directory(self.dataset)


def _is_directory(dataset: str) -> bool:
    return dataset.startswith(("/", ".", "~", "$"))
