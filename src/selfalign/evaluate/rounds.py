"""Rounds of self-alignment: the result of a round, whether another one follows, and the table of all rounds.

In a later round, the model that was tuned in the round before generates the data. Two rules end the rounds: the tuned model
is not better than the one before on ``self_tests`` (McNemar's exact test on the same tasks in the same prompt layout), or the
share of distinct instructions falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfalign.core.config.curation import SelfTestsConfig
from selfalign.core.config.evaluation import SELF_TESTS
from selfalign.core.config.rounds import NextRoundConfig
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json, read_jsonl, write_json
from selfalign.dedup import NearDuplicates
from selfalign.evaluate.score import metric_parts, solved
from selfalign.evaluate.statistics import mcnemar

# Directories with ``score.json`` and ``verdicts.jsonl``, by prompt layout and benchmark.
Scores = Mapping[tuple[str, str], str | Path]


def write_result(
    number: int,
    scores: Scores,
    out: str | Path,
    *,
    before: Scores | None,
    base: Scores,
    instructions: Iterable[str | Path],
    instructions_before: Sequence[str | Path],
    dataset: str | Path,
    settings: NextRoundConfig,
    similarity: SelfTestsConfig,
) -> None:
    """Write the result of a round, and whether another one follows.

    Memory: 4 bytes per permutation and 8 bytes per shingle of every distinct instruction of one round.

    Args:
        number: number of the round, from 1.
        scores: scores of the model that the round tuned; of the layouts in which it was scored on ``self_tests``, the first
            one decides.
        out: JSON file to write: ``round``, ``rows`` (number of rows for training), ``scores``, ``comparisons`` (with the
            model of the round before, and with the base model), ``diversity``, ``next`` and ``reasons`` why not.
        before: scores of the model that the round before tuned; None in the first round.
        base: scores of the base model, in layouts in which the tuned model was scored.
        instructions: JSON Lines files of the instructions that the round generated.
        instructions_before: those of the round before; empty in the first round.
        dataset: JSON Lines file of the rows for training.
        settings: conditions for another round.
        similarity: what near-duplicates among instructions are.

    Raises:
        DataError: two models were scored on different data, or the models were not scored on ``self_tests``.
    """
    comparisons = compare(scores, base, "base", f"round {number}")
    if before is not None:
        comparisons = [
            *compare(scores, before, f"round {number - 1}", f"round {number}"),
            *comparisons,
        ]
    diversity: dict[str, Any] = measure_diversity(instructions, similarity)
    earlier = measure_diversity(instructions_before, similarity)["share"] if instructions_before else None
    # Undefined in the first round, and if one of the rounds generated nothing.
    diversity["relative"] = (
        diversity["share"] / earlier if earlier and diversity["share"] is not None else None
    )
    reasons = reasons_to_stop(comparisons, diversity["relative"], settings)
    write_json(
        out,
        {
            "round": number,
            "rows": sum(1 for _ in read_jsonl(dataset)),
            "scores": [
                {"layout": layout, **read_json(Path(directory) / "score.json"), "benchmark": key}
                for (layout, key), directory in scores.items()
            ],
            "comparisons": comparisons,
            "diversity": diversity,
            "next": not reasons,
            "reasons": reasons,
        },
    )


def compare(scores: Scores, others: Scores, first: str, second: str) -> list[dict[str, Any]]:
    """Return the comparisons of two models in the layouts and on the benchmarks on which both were scored.

    Args:
        scores: scores of the second model.
        others: scores of the first model.
        first: name of the first model.
        second: name of the second model.

    Raises:
        DataError: the models were scored on different data.
    """
    found = []
    for (layout, key), directory in scores.items():
        if (layout, key) not in others:
            continue
        other = others[layout, key]
        one, two = (read_json(Path(each) / "score.json") for each in (other, directory))
        if one["dataset"] != two["dataset"]:
            raise DataError(
                f"{key}: {first} and {second} were scored on different data", file=Path(directory)
            )
        for prefix, parts in metric_parts("base pass@1" in two["metrics"]).items():
            metric = f"{prefix}pass@1"
            before, after = solved(other, parts), solved(directory, parts)
            found.append(
                {
                    "benchmark": key,
                    "title": two["title"],
                    "layout": layout,
                    "metric": metric,
                    "first": first,
                    "second": second,
                    "difference": two["metrics"][metric]["value"] - one["metrics"][metric]["value"],
                    "mcnemar": mcnemar([before[task] for task in before], [after[task] for task in before]),
                }
            )
    return found


def measure_diversity(files: Iterable[str | Path], similarity: SelfTestsConfig) -> dict[str, Any]:
    """Return the number of ``instructions``, the number of ``distinct`` ones and their ``share`` (None if there are none).

    An instruction is distinct if it is not a near-duplicate of an earlier distinct one.

    Args:
        files: JSON Lines files of instructions.
        similarity: what near-duplicates are.
    """
    index = NearDuplicates(similarity)
    total = distinct = 0
    for file in files:
        for row in read_jsonl(file):
            total += 1
            distinct += index.add(" ".join(row["instruction"].lower().split())) is None
    return {"instructions": total, "distinct": distinct, "share": distinct / total if total else None}


def reasons_to_stop(
    comparisons: Sequence[Mapping[str, Any]], relative_diversity: float | None, settings: NextRoundConfig
) -> list[str]:
    """Return why no further round follows; empty if one does.

    Args:
        comparisons: comparisons of a round; the first one on ``self_tests`` is that with the model before.
        relative_diversity: share of distinct instructions, as a multiple of that of the round before; None: not defined.
        settings: conditions for another round.

    Raises:
        DataError: there is no comparison on ``self_tests``.
    """
    reasons = []
    if settings.max_p_value is not None:
        test = next((each for each in comparisons if each["benchmark"].split("-")[0] == SELF_TESTS), None)
        if test is None:
            raise DataError(f"expected a comparison of the models on {SELF_TESTS}, found none")
        p_value = test["mcnemar"]["p_value"]
        if test["difference"] <= 0 or p_value >= settings.max_p_value:
            reasons.append(
                f"no gain on {SELF_TESTS} over {test['first']}: {100 * test['difference']:+.1f} points, p = {p_value:.2g} "
                f"(next_round.max_p_value {settings.max_p_value:g})"
            )
    bound = settings.min_diversity
    if bound is not None and relative_diversity is not None and relative_diversity < bound:
        reasons.append(
            f"the share of distinct instructions fell to {relative_diversity:.2f} of that of the round before "
            f"(next_round.min_diversity {bound:g})"
        )
    return reasons


def write_table(results: Iterable[str | Path], out: str | Path, *, rounds: int) -> None:
    """Write the table of all rounds.

    Args:
        results: results of the rounds, in their order; see :func:`write_result`.
        out: JSON file to write: ``rounds`` (the results) and ``end`` (why no further round followed).
        rounds: maximum number of rounds.
    """
    found = [read_json(path) for path in results]
    end = "; ".join(found[-1]["reasons"]) or f"the maximum number of rounds ({rounds})"
    write_json(out, {"rounds": found, "end": end})
