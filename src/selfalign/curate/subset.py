"""Subsets of the data set by number of instructions, for the learning curve."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from selfalign.core.filtering import Keep, StepCounts, StepWriter, run_filters
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import Record
from selfalign.core.prompt_template import ResponseLayout
from selfalign.curate.rows import File, log_counts, read_rows
from selfalign.curate.sanitize import sanitizer


def subset_file(
    dataset: File,
    out: File,
    dropped: File | None = None,
    *,
    instructions: int | None,
    candidates: File | None = None,
    seed: int = 0,
    response_layout: ResponseLayout,
) -> StepCounts:
    """Write all rows of the first instructions of a data set; a larger subset contains the smaller ones.

    Args:
        dataset: JSON Lines file of the data set.
        out: JSON Lines file of the subset.
        dropped: JSON Lines file of the responses that the sanitisation drops, with their reasons; None writes none.
        instructions: maximum number of instructions; None for all.
        candidates: JSON Lines file of the responses before one of each instruction was selected, with section tags; all
            responses to an instruction of the subset are written, sanitised as those of the data set are. None: only the
            rows of the data set. Held in memory.
        seed: seed of the sanitisation.
        response_layout: layout of the responses.

    Raises:
        DataError: a row lacks instruction or response.
    """
    others: dict[str, list[Record]] = defaultdict(list)
    for row in read_rows([candidates] if candidates else []):
        others[normalized_instruction(row["instruction"])].append(row)
    chosen: dict[str, list[Record]] = defaultdict(list)
    for row in read_rows([dataset]):
        chosen[normalized_instruction(row["instruction"])].append(row)
    sanitize = [sanitizer("smart", seed, response_layout)]
    with StepWriter("subset", out=out, dropped=dropped) as writer:
        for instruction, rows in islice(chosen.items(), instructions):
            for row in rows if candidates is None else ():
                writer.put(row, Keep(row))
            for other in others.get(instruction, ()):
                writer.put(other, run_filters(other, sanitize))
    return log_counts(writer.counts)
