"""Preferences: pairs of a chosen and a rejected response to one instruction, by the tests that their code passes.

The chosen response is a row of the data set whose implementation is in the group with the highest score (dual agreement,
see :mod:`selfalign.curate.consensus`). A rejected one fails tests that this group passes. Pairs by the results of
generated tests, as in PLUM (Zhang et al., 2024, arXiv:2406.06887) and CodeDPO (Zhang et al., 2024, arXiv:2410.05605).

Pairs are made of instructions in the data set only, so that none was held out or dropped by a filter; the rejected
response passes the quality filters and the decontamination too, and has the same sections as the chosen one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from selfalign.contamination import ContaminationIndex, Source, contamination_filter, load_sources
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.config.curation import QualityConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import Drop, Filter, StepCounts, StepWriter, run_filters
from selfalign.core.jsonl import Record
from selfalign.core.lineage import row_id, with_lineage
from selfalign.core.prompt_template import ResponseLayout
from selfalign.curate.consensus import Standing, order_key, rank, read_matrices, sample_number
from selfalign.curate.quality import quality_chain
from selfalign.curate.rows import NAMES_DIFFER, File, SampleReader, log_counts
from selfalign.curate.sanitize import sanitize_like
from selfalign.curate.sections import PUBLISHED_LAYOUT, parse_sections


@dataclass(frozen=True, slots=True)
class Comparison:
    """The responses to one instruction, compared with the chosen one.

    Attributes:
        chosen: the row of the data set.
        standing: standing of its response.
        passed: ids of the responses whose tests the chosen implementation passes.
        rejected: failing responses, those that pass the fewest of these tests first.
    """

    chosen: Record
    standing: Standing
    passed: list[str]
    rejected: list[Failing]


@dataclass(frozen=True, slots=True)
class Failing:
    """A response whose implementation fails tests of the chosen group, or its own.

    Attributes:
        name: id of the response.
        implementation: number of its implementation in the matrix.
        agreed: number of different tests that it and the chosen implementation pass.
        passed: ids of the responses whose tests it passes.
        failed: ids of the responses whose tests the chosen implementation passes, and it does not.
        fails_own: whether it fails its own tests.
    """

    name: str
    implementation: int
    agreed: int
    passed: list[str]
    failed: list[str]
    fails_own: bool


def preferences_file(
    dataset: File,
    matrices: Iterable[File],
    responses: Iterable[File],
    out: File,
    dropped: File | None = None,
    *,
    max_pairs: int = 1,
    quality: QualityConfig | None = None,
    response_layout: ResponseLayout = PUBLISHED_LAYOUT,
    sources: Iterable[Source | Mapping[str, str | None]] = (),
    contamination: ContaminationConfig | None = None,
) -> StepCounts:
    """Write pairs of responses to the instructions of a data set. Holds its rows and the rejected responses in memory.

    Args:
        dataset: JSON Lines file of the rows for training.
        matrices: JSON Lines files by :func:`selfalign.curate.matrix.matrix_file`.
        responses: JSON Lines files of the responses that were executed, passing and failing, as generated.
        out: JSON Lines file of the pairs, in the order of the data set: ``index``, ``instruction``, ``chosen``,
            ``rejected`` and ``lineage``, whose key ``preference`` names the two responses and the tests that each passes.
        dropped: JSON Lines file of a row of each instruction without a pair, with the reason; None writes none.
        max_pairs: maximum number of pairs per instruction.
        quality: filters that a rejected response must pass; None for the defaults.
        response_layout: layout of the responses.
        sources: benchmarks whose text a rejected response must not contain, by
            :func:`selfalign.contamination.find_sources`.
        contamination: size of an overlap and exempt texts; None for the defaults.

    Returns:
        the counts: instructions in, pairs out, dropped instructions by reason; ``extra`` has the number of
        ``instructions`` with pairs.

    Raises:
        DataError: a row lacks index, instruction or response; an instruction has no matrix; a response of the matrix
            is in none of the files; or the files are of different runs.
    """
    contamination = contamination or ContaminationConfig()
    index = ContaminationIndex.of(load_sources(sources), contamination.ngram, contamination.exempt)
    decontaminate = contamination_filter(index, ("instruction", "response"))
    chain = quality_chain(quality or QualityConfig())

    def sanitize_as(chosen: Record) -> Filter:
        return lambda row: sanitize_like(chosen, row["response"], response_layout)

    compared = _compare_all(dataset, matrices, response_layout)
    texts = _responses(compared.values(), responses)
    instructions = 0
    with StepWriter("preferences", out=out, dropped=dropped) as writer:
        for found in compared.values():
            if isinstance(found, tuple):
                writer.put(*found)
                continue
            pairs, reasons = _pairs(
                found, texts, [*chain, sanitize_as(found.chosen), decontaminate], max_pairs
            )
            if pairs:
                instructions += 1
                writer.put_several(pairs)
            else:
                writer.put(found.chosen, Drop("no_usable_failing_response", reasons))
    writer.counts.extra = {"instructions": instructions}
    return log_counts(writer.counts)


def compare(rows: Iterable[Record], matrix: Record) -> Comparison | tuple[Record, Drop]:
    """Return the chosen row of an instruction with the failing responses; or one of its rows, and why there is no pair.

    The chosen row is the best by :func:`selfalign.curate.consensus.choose`. It must agree with another response, and no
    group with agreement may have a higher score than its own.

    Args:
        rows: rows of the data set with the instruction, at least one.
        matrix: row of the matrix file.
    """
    standings = rank(matrix)
    named = [(row_id(row) or "", row) for row in rows]
    known = [(name, row) for name, row in named if name in standings]
    agreeing = [(name, row) for name, row in known if standings[name].agreeing]
    if not agreeing:
        name, row = (known or named)[0]
        unusable = Drop("not_in_matrix", matrix["unusable"].get(name))
        return row, Drop("no_agreement") if known else unusable
    name, chosen = min(agreeing, key=lambda each: order_key(each[0], standings[each[0]]))
    standing = standings[name]
    best = max(each.score for each in standings.values() if each.agreeing)
    if standing.score < best:
        return chosen, Drop("not_in_best_group", {"score": standing.score, "best": best})
    line = next(n for n, names in enumerate(matrix["implementations"]) if name in names)
    columns = [n for n, status in enumerate(matrix["verdicts"][line]) if status == "passed"]
    rejected = sorted(
        _failing(matrix, columns),
        key=lambda each: (each.agreed, -len(each.failed), sample_number(each.name)),
    )
    if not rejected:
        return chosen, Drop("no_failing_response")
    return Comparison(chosen, standing, _names(matrix, columns), rejected)


def _failing(matrix: Record, columns: list[int]) -> Iterator[Failing]:
    """Yield the responses that fail one of the tests `columns`, or their own if none of these fits their names."""
    own_column = {name: column for column, names in enumerate(matrix["tests"]) for name in names}
    for number, names in enumerate(matrix["implementations"]):
        statuses = matrix["verdicts"][number]
        ran = [column for column in columns if statuses[column] != NAMES_DIFFER]
        failed = [column for column in ran if statuses[column] != "passed"]
        passed = [column for column, status in enumerate(statuses) if status == "passed"]
        for name in names:
            fails_own = statuses[own_column[name]] != "passed"
            if failed or (fails_own and not ran):
                yield Failing(
                    name,
                    number,
                    agreed=len(ran) - len(failed),
                    passed=_names(matrix, passed),
                    failed=_names(matrix, failed),
                    fails_own=fails_own,
                )


def _names(matrix: Record, columns: Iterable[int]) -> list[str]:
    """Return the ids of the responses that have the tests of some columns, by sample number."""
    return sorted((name for column in columns for name in matrix["tests"][column]), key=sample_number)


def _compare_all(
    dataset: File, matrices: Iterable[File], layout: ResponseLayout
) -> dict[int, Comparison | tuple[Record, Drop]]:
    """Return the comparison of each instruction of a data set by index, in its order."""
    rows: dict[int, list[Record]] = {}
    samples = SampleReader()
    for _, row in samples.read(dataset):
        if parse_sections(row["response"], layout) is not None:
            raise samples.error(
                row,
                "response",
                "found section tags; expected rows after `selfalign sanitize --pass smart`",
            )
        rows.setdefault(row["index"], []).append(row)
    found: dict[int, Comparison | tuple[Record, Drop]] = {}
    for matrix in read_matrices(matrices):
        if matrix["index"] in rows:
            samples.check_instruction(rows[matrix["index"]][0], matrix)
            found[matrix["index"]] = compare(rows[matrix["index"]], matrix)
    for index in rows:
        if index not in found:
            raise DataError(
                f"no matrix for the rows with index {index}; expected rows and matrices of one run",
                file=dataset,
            )
    return {index: found[index] for index in rows}


def _responses(
    compared: Iterable[Comparison | tuple[Record, Drop]], files: Iterable[File]
) -> dict[str, Record]:
    """Return the rows of all failing responses by id."""
    wanted = {
        each.name: found.chosen
        for found in compared
        if isinstance(found, Comparison)
        for each in found.rejected
    }
    rows = {}
    samples = SampleReader()
    for file in files:
        for name, row in samples.read(file):
            if name in wanted:
                samples.check_instruction(row, wanted[name])
                rows[name] = row
    if missing := wanted.keys() - rows.keys():
        raise DataError(
            f"expected the responses of the matrices in the files of executed rows, not {min(missing)}"
        )
    return rows


def _pairs(
    found: Comparison, responses: Mapping[str, Record], filters: list[Filter], limit: int
) -> tuple[list[Record], dict[str, str]]:
    """Return the pairs of an instruction, and why failing responses are not used, by id."""
    pairs: list[Record] = []
    reasons: dict[str, str] = {}
    used: set[int] = set()
    texts = {found.chosen["response"]}
    for each in found.rejected:
        if len(pairs) == limit:
            break
        if each.implementation in used:
            continue
        outcome = run_filters(responses[each.name], filters)
        if isinstance(outcome, Drop):
            reasons[each.name] = outcome.reason
        elif outcome.record["response"] in texts:
            reasons[each.name] = "same_text"
        else:
            used.add(each.implementation)
            texts.add(outcome.record["response"])
            pairs.append(_pair(found, each, responses[each.name], outcome.record["response"]))
    return pairs, reasons


def _pair(found: Comparison, rejected: Failing, row: Record, text: str) -> Record:
    """Return a pair with its lineage: that of the chosen row, and what is known of both responses."""
    chosen = found.chosen
    lineage = row.get("lineage", {})
    pair = {
        "index": chosen["index"],
        "instruction": chosen["instruction"],
        "chosen": chosen["response"],
        "rejected": text,
        **({"lineage": chosen["lineage"]} if "lineage" in chosen else {}),
    }
    return with_lineage(
        pair,
        "preference",
        chosen=row_id(chosen),
        rejected=rejected.name,
        score=found.standing.score,
        group=found.standing.group,
        chosen_passes_tests_of=found.passed,
        rejected_passes_tests_of=rejected.passed,
        rejected_fails_tests_of=rejected.failed,
        rejected_fails_own_tests=rejected.fails_own,
        rejected_lineage={
            name: lineage[name] for name in ("response", "sample", "execution") if name in lineage
        },
    )
