"""Configuration of the report."""

from __future__ import annotations

from pydantic import Field

from selfalign.core.config.base import RUNTIME_ONLY, Section


class ReportConfig(Section):
    """Contents of the report of a run."""

    kept_rows: int = Field(
        default=300, ge=0, description="Maximum number of rows of the data set in the report."
    )
    dropped_rows: int = Field(
        default=10, ge=0, description="Maximum number of dropped rows per step and reason in the report."
    )
    concepts: int = Field(
        default=2000, ge=0, description="Maximum number of concepts in the report, by frequency."
    )
    price_per_hour: float = Field(
        default=0.0,
        ge=0,
        description="Price of one hour of the machine, for cost estimates; 0: no costs are shown.",
    )
    compare: list[str] = Field(
        default=[],
        description="Names of the runs that `snakemake compare` compares; the configured run is included "
        "only if listed.",
        json_schema_extra=RUNTIME_ONLY,
    )
