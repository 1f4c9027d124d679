"""Deduplication: exact duplicates, near-duplicates and repeated function names; the first one stays.

The filters remember what they kept, so their memory grows with the rows: about 100 bytes per compared part for exact
duplicates; a signature (4 bytes per permutation) and 8 bytes per shingle for near-duplicates.
"""

from __future__ import annotations

from collections import Counter

from selfalign.core.code_blocks import first_block
from selfalign.core.config.curation import DuplicatesConfig, Part
from selfalign.core.filtering import Drop, Filter, Keep, Outcome
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record
from selfalign.core.lineage import row_id
from selfalign.curate.code import function_names, parse_response_code
from selfalign.dedup import NearDuplicates


def duplicates_chain(settings: DuplicatesConfig, diversify_names: bool = False) -> list[Filter]:
    """Return the filters of duplicates; with the default settings, those of the reference.

    Args:
        settings: parts to compare.
        diversify_names: also drop responses whose function names repeat.
    """
    chain = [exact_filter(settings, diversify_names)]
    return [*chain, *(near_filter(part, settings) for part in settings.near)]


def exact_filter(settings: DuplicatesConfig, diversify_names: bool = False) -> Filter:
    """Return the filter that drops exact duplicates, ignoring white space.

    All parts share one set of seen texts, as in the reference: a response that equals an earlier instruction is dropped
    too.

    Args:
        settings: parts to compare.
        diversify_names: also drop responses whose function names repeat, and those whose code does not parse.
    """
    seen: Counter[str] = Counter()
    seen_names: set[str] = set()

    def is_new(record: Record) -> Outcome:
        keys = {part: text_sha256("".join(compared_text(record, part).split())) for part in settings.exact}
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
    """Return the filter that drops near-duplicates; its detail names the earlier row.

    Args:
        part: part of the record to compare.
        settings: threshold and signature.
    """
    index = NearDuplicates(settings, operators=part != "instruction")
    names: list[str] = []
    kept_texts: set[str] = set()
    # Several responses to one instruction are allowed, so only a different instruction can be a near-duplicate of it.
    several = part == "instruction" and settings.per_instruction > 1
    place = 0

    def is_new(record: Record) -> Outcome:
        nonlocal place
        place += 1
        text = compared_text(record, part)
        key = text_sha256("".join(text.split())) if several else ""
        if key in kept_texts:
            return Keep(record)
        duplicate_of = index.add(text)
        if duplicate_of is not None:
            return Drop(f"near_duplicate_{part}", {"of": names[duplicate_of]})
        if several:
            kept_texts.add(key)
        names.append(row_id(record) or f"row {place} of those that came here")
        return Keep(record)

    return is_new


def compared_text(record: Record, part: Part) -> str:
    """Return the text of a record that is compared.

    Args:
        record: a row.
        part: ``instruction``, ``response``, or ``code`` for the implementation.
    """
    if part == "code":
        return parse_response_code(record["response"]).implementation
    return record[part]
