"""Rounds: the conditions for another round, and the configuration of a later round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from selfalign.core.config.base import Section
from selfalign.core.config.paths import BundledFile

# Request seeds of different rounds do not overlap: the seed of record i is that of the round plus i.
SEED_STEP = 100_000_000
SEED_LIMIT = 2**31
MAX_ROUNDS = SEED_LIMIT // SEED_STEP


class NextRoundConfig(Section):
    """Conditions for another round, and settings of later rounds; for `rounds` above 1."""

    max_p_value: float | None = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Another round follows only if the tuned model solves more tasks of `self_tests` than the one before (in "
        "the first round: than the base model) in the first layout of evaluation.layouts.tuned, with a smaller p-value of "
        "McNemar's exact test. null: no gain is required.",
    )
    min_diversity: float | None = Field(
        default=0.8,
        gt=0,
        description="Another round follows only if the share of distinct instructions among those generated is at least this "
        "multiple of the share in the round before. Distinct: no near-duplicate of an earlier one, by threshold, num_perm "
        "and ngram of curation.self_tests. null: no condition.",
    )
    prompt_template: BundledFile | None = Field(
        default=None,
        description="Prompt template of later rounds, such as one with the turns of a conversation for a tuned model whose "
        "base has no chat format. null: generation.prompt_template.",
    )


class LaterRound(dict[str, Any]):
    """The configuration of a later round, which the Snakefile passes to itself as a module.

    Args:
        number: number of the round, at least 2.
        configuration: configuration of the run.
    """

    def __init__(self, number: int, configuration: Mapping[str, Any]) -> None:
        generation, evaluation = configuration["generation"], configuration["evaluation"]
        template = configuration["next_round"]["prompt_template"] or generation["prompt_template"]
        super().__init__(
            {
                **configuration,
                "rounds": 1,
                "generation": {
                    **generation,
                    "seed": seed_of_round(generation["seed"], number),
                    "prompt_template": template,
                },
                # The base model is the same in all rounds.
                "evaluation": {**evaluation, "layouts": {**evaluation["layouts"], "base": []}},
                "learning_curve": {**configuration["learning_curve"], "instructions": []},
                "preferences": {**configuration["preferences"], "enabled": False},
            }
        )
        self.number = number


def round_number(configuration: Mapping[str, Any]) -> int:
    """Return the number of the round that a configuration belongs to.

    Args:
        configuration: configuration of a run, or a :class:`LaterRound`.
    """
    return configuration.number if isinstance(configuration, LaterRound) else 1


def seed_of_round(seed: int, number: int) -> int:
    """Return the seed of the generation in a round.

    Args:
        seed: seed of the generation in the first round.
        number: number of the round, from 1.
    """
    return (seed + (number - 1) * SEED_STEP) % SEED_LIMIT
