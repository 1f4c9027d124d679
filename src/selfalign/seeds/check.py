"""Import inference and type check of one unit's functions: the filters that run external programs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from selfalign.core.config.seeds import FiltersConfig, ImportsConfig, TypesConfig
from selfalign.core.filtering import StepCounts, StepWriter, run_filters
from selfalign.core.jsonl import write_json, write_jsonl
from selfalign.core.lineage import with_lineage
from selfalign.seeds.filters import filter_chain
from selfalign.seeds.imports import infer_imports
from selfalign.seeds.pool import read_seeds
from selfalign.seeds.typecheck import TypeChecker, check_types


def check_file(
    rows: str | Path,
    out: str | Path,
    dropped: str | Path | None,
    *,
    filters: FiltersConfig,
    imports: ImportsConfig,
    types: TypesConfig,
    workers: int,
    counts: str | Path | None = None,
) -> list[StepCounts]:
    """Infer the imports of functions, filter them again, and check their types; return the counts of the steps.

    Inferred imports are part of a function's text for the filters of banned imports and of length, as in the reference,
    so the text filters run again after imports are inferred.

    Args:
        rows: JSON Lines file of seeds.
        out: JSON Lines file of the kept seeds.
        dropped: JSON Lines file of the dropped seeds, with their reasons; None writes none.
        filters: settings of the text filters.
        imports: settings of the import inference.
        types: settings of the type check.
        workers: worker processes.
        counts: JSON file of the counts of the steps; None writes none.

    Raises:
        DataError: a row has no string ``seed``.
        InfrastructureError: the type checker cannot be run.
    """
    steps = [
        *(["imports", "filter_imports"] if imports.enabled else []),
        *(["types"] if types.enabled else []),
    ]
    with StepWriter(*steps, dropped=dropped) as writer:
        records = read_seeds(rows)
        if imports.enabled:
            inferred = infer_imports(
                records,
                faithful=filters.mode == "faithful",
                packages=tuple(imports.packages),
                workers=workers,
            )
            chain = filter_chain(filters)
            records = writer.filtered("imports", inferred)
            outcomes = ((record, run_filters(record, chain)) for record in records)
            records = writer.filtered("filter_imports", outcomes)
        if types.enabled:
            checker = TypeChecker(types.strictness)
            lineage = {"checker": f"basedpyright {version('basedpyright')}", "mode": types.strictness}
            checked = check_types(records, checker, workers=workers)
            records = (
                with_lineage(record, "types", **lineage) for record in writer.filtered("types", checked)
            )
        write_jsonl(out, records)
    if counts is not None:
        write_json(counts, [step.to_json() for step in writer.steps])
    return writer.steps
