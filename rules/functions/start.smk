# Where the run starts (section `start`): which stages are part of it, and the imported rows.

from typing import get_args

from selfalign.core.config.start import Stage
from selfalign.seeds.start import data_files

START = configured.start


def is_built(rows):
    """Return whether rows (a name of `start.stage`) are made by the run, rather than imported or not needed."""
    order = get_args(Stage)
    return START.stage is None or order.index(rows) > order.index(START.stage)


def rows_of(rows, path):
    """Return the path of a shard of rows: `path` within the run, or the imported shard if the run starts with them.

    All rounds start with the same rows.
    """
    if START.stage == rows:
        return shared("start/shards/{shard}.jsonl")
    return shared(path) if rows == "seeds" else result(path)


def all_rows_of(rows, path):
    """Return the paths of all shards of rows, in the order of their records; see :func:`rows_of`."""
    return expand(rows_of(rows, path), shard=SHARDS)


def start_files(wildcards=None):
    """Return the data files of a directory, as inputs of the import."""
    if not START.is_local:
        return []
    try:
        files = [Path(START.dataset) / name for name in data_files(START)]
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    for file in files:
        if not file.is_file():
            raise WorkflowError(f"configuration: 'start.files' names '{file}'; there is no such file")
    return [local(str(file)) for file in files]


def start_revision():
    """Return the record of the revision of the imported data set, if it is on the hub."""
    if START.stage is None or START.is_local:
        return []
    return resolved("dataset", START.dataset, START.revision)


IMPORTED = [] if START.stage is None else [result("start/rows.jsonl"), *shards("start")]
IMPORT_COUNTS = [] if START.stage is None else [shared("start/counts/import.json")]
