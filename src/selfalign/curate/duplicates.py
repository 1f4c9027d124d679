"""What says the same again: exact repetitions, near-duplicates and function names; the first one stays.

Every filter here remembers what it kept, so its memory grows with the rows: about 100 bytes a part for exact
repetitions; for near-duplicates a signature (4 bytes a permutation) and 8 bytes a shingle.
"""

from __future__ import annotations

from collections import Counter

from selfalign.core.code_blocks import first_block
from selfalign.core.config.curation import DuplicatesConfig, Part
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record
from selfalign.core.lineage import row_id
from selfalign.curate.code import code_of, function_names
from selfalign.dedup import NearDuplicates


def duplicates_chain(settings: DuplicatesConfig, diversify_names: bool = False) -> list[Filter]:
    """Return the filters of repetitions; the reference's are those of the default settings."""
    chain = [repetition_filter(settings, diversify_names)]
    return [*chain, *(near_filter(part, settings) for part in settings.near)]


def repetition_filter(settings: DuplicatesConfig, diversify_names: bool = False) -> Filter:
    """Return the filter that drops what was seen before, white space apart; on request, function names too.

    One set of seen texts serves all parts, as in the reference: a response that was an instruction
    before is dropped too.
    """
    seen: Counter[str] = Counter()
    seen_names: set[str] = set()

    def is_new(record: Record) -> Outcome:
        keys = {part: text_sha256("".join(text_of(record, part).split())) for part in settings.exact}
        for part, key in keys.items():
            allowed = settings.per_instruction if part == "instruction" else 1
            if seen[key] >= allowed:
                return Drop(f"repeated_{part}")
        if diversify_names:
            names = function_names(first_block(record["response"]))
            if names is None:
                return Drop("unparsable")
            if names in seen_names:
                return Drop("repeated_names")
            seen_names.add(names)
        seen.update(keys.values())
        return Keep(record)

    return is_new


def near_filter(part: Part, settings: DuplicatesConfig) -> Filter:
    """Return the filter that drops a record one part of which is nearly that of an earlier one; says of which."""
    index = NearDuplicates(settings)
    names: list[str] = []
    kept_texts: set[str] = set()
    # Several responses of one instruction are wanted: only another instruction like it is not.
    several = part == "instruction" and settings.per_instruction > 1
    place = 0

    def is_new(record: Record) -> Outcome:
        nonlocal place
        place += 1
        text = text_of(record, part)
        key = text_sha256("".join(text.split())) if several else ""
        if key in kept_texts:
            return Keep(record)
        twin = index.add(text)
        if twin is not None:
            return Drop(f"near_duplicate_{part}", {"of": names[twin]})
        if several:
            kept_texts.add(key)
        names.append(row_id(record) or f"row {place} of those that came here")
        return Keep(record)

    return is_new


def text_of(record: Record, part: Part) -> str:
    """Return the part of a record that is compared."""
    if part == "code":
        return code_of(record["response"]).implementation
    return record[part]
