"""Subsets of the data set by number of instructions, for the learning curve."""

from __future__ import annotations

from collections import defaultdict
from itertools import islice

from selfalign.core.config.curation import CurationConfig
from selfalign.core.config.training import ChatLayout
from selfalign.core.filtering import Keep, StepCounts, StepWriter, run_filters
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import Record
from selfalign.core.prompt_template import ResponseLayout
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import File, log_counts, read_rows
from selfalign.curate.sanitize import sanitize_chain


def subset_file(
    dataset: File,
    out: File,
    dropped: File | None = None,
    *,
    instructions: int | None,
    candidates: File | None = None,
    settings: CurationConfig | None = None,
    response_layout: ResponseLayout,
    max_length: int | None = None,
    checkpoint: File | None = None,
    layout: ChatLayout = "own",
) -> StepCounts:
    """Write all rows of the first instructions of a data set; a larger subset contains the smaller ones.

    The candidates pass the filters that the rows of the data set have passed, except the removal of duplicates and the
    decontamination, which the instructions have passed with the data set.

    Args:
        dataset: JSON Lines file of the data set.
        out: JSON Lines file of the subset.
        dropped: JSON Lines file of the responses that the filters drop, with their reasons; None writes none.
        instructions: maximum number of instructions; None for all.
        candidates: JSON Lines file of the responses before one of each instruction was selected, with section tags; all
            responses to an instruction of the subset are filtered and written. None: only the rows of the data set. Held
            in memory.
        settings: seed, quality filters and limits on the length of the candidates; None for the defaults.
        response_layout, max_length, checkpoint, layout: see :func:`selfalign.curate.sanitize.sanitize_file`.

    Raises:
        ConfigError: `settings` or `max_length` limits the length, and `checkpoint` is None.
        DataError: a row lacks instruction or response, or the tokenizer cannot be read.
    """
    settings = settings or CurationConfig()
    others: dict[str, list[Record]] = defaultdict(list)
    for row in read_rows([candidates] if candidates else []):
        others[normalized_instruction(row["instruction"])].append(row)
    chosen: dict[str, list[Record]] = defaultdict(list)
    for row in read_rows([dataset]):
        chosen[normalized_instruction(row["instruction"])].append(row)
    filters = []
    if candidates is not None:
        filters = quality_chain(settings.quality) + sanitize_chain(
            "smart",
            seed=settings.seed,
            response_layout=response_layout,
            length=settings.length,
            max_length=max_length,
            checkpoint=checkpoint,
            layout=layout,
        )
    with StepWriter("subset", out=out, dropped=dropped) as writer:
        for instruction, rows in islice(chosen.items(), instructions):
            for row in rows if candidates is None else ():
                writer.put(row, Keep(row))
            for other in others.get(instruction, ()):
                writer.put(other, run_filters(other, filters))
    return log_counts(writer.counts)
