"""The configuration of the report stage."""

from __future__ import annotations

from pydantic import Field

from selfalign.core.config.base import Section


class ReportConfig(Section):
    """What the page of a run shows."""

    kept_rows: int = Field(
        default=300, ge=0, description="Rows of the data set that the page holds, at most."
    )
    dropped_rows: int = Field(
        default=10, ge=0, description="Dropped rows that the page holds for each step and reason, at most."
    )
    concepts: int = Field(
        default=2000, ge=0, description="Concepts that the page lists, the most frequent, at most."
    )
    price_per_hour: float = Field(
        default=0.0, ge=0, description="What an hour of the machine costs, for the accounting; 0: no prices."
    )
    compare: list[str] = Field(
        default=[],
        description="Runs that `snakemake compare` puts on one page, by name; the configured run is among them if it is named.",
    )
