# Rounds: the directory of each round, the artifacts of the first round that later rounds use, and the model that generates.

import json

from selfalign.core.config.rounds import LaterRound

# The table of all rounds; empty if there is one.
ROUNDS = result("rounds/table.json") if configured.rounds > 1 else []


wildcard_constraints:
    round=r"[1-9]\d*",


def round_directory(number):
    """Return the directory of a round."""
    return FIRST if number == 1 else f"{FIRST}/round-{number}"


def teacher():
    """Return the checkpoint of the model that generates: the base model, or the one that the round before tuned."""
    return server_input("base") if ROUND == 1 else f"{round_directory(ROUND - 1)}/model/tuned"


def teacher_title():
    """Return the name of the model that generates, in cards."""
    return model_title() if ROUND == 1 else f"{model_title()}, tuned in round {ROUND - 1}"


def round_scores(number, file):
    """Return a file of every score of the model that a round tuned; nothing for a round 0."""
    directory = round_directory(number)
    return (
        [f"{directory}/scores/tuned/{layout}/{key}/{file}" for layout, key in TUNED_SCORES] if number else []
    )


def base_scores(file):
    """Return a file of the base model's scores in the layouts in which the tuned models are scored."""
    return [
        f"{SETS.own['base', layout, key].directory}/{file}"
        for layout, key in TUNED_SCORES
        if ("base", layout, key) in SETS.own
    ]


def round_instructions(number):
    """Return the instructions that a round generated, all shards; nothing for a round 0."""
    if START.stage == "instructions":
        return all_rows_of("instructions", "") if number else []
    directory = round_directory(number)
    return [f"{directory}/instructions/shards/{shard}.jsonl" for shard in SHARDS] if number else []


def rounds_run():
    """Return the numbers of the rounds of the run. Until the result of the last one is known, the jobs after it are not."""
    for number in range(1, configured.rounds + 1):
        with checkpoints.round_result.get(round=number).output.result.open() as file:
            if not json.load(file)["next"]:
                break
    return range(1, number + 1)


def later_rounds():
    """Return the numbers of the rounds of the run after the first."""
    return rounds_run()[1:] if configured.rounds > 1 else []


def later_round_cards(wildcards):
    """Return the cards of the data sets and models of later rounds."""
    names = ("dataset/README.md", "model/README.md")
    return [f"{round_directory(number)}/{name}" for number in later_rounds() for name in names]


def later_round_artifacts():
    """Return the outputs of later rounds, for the provenance of the run."""
    stages = [*GENERATION, "execution"]
    found = []
    for number in later_rounds():
        directory = round_directory(number)
        found += [f"{directory}/{stage}/shards/{shard}.jsonl" for stage in stages for shard in SHARDS]
        found += [f"{directory}/execution/verdicts/{shard}.jsonl" for shard in SHARDS]
        found += [f"{directory}/dataset/{step}.jsonl" for step in CURATION_STEPS]
        found += [path.replace(RUN, directory, 1) for path in rules.dataset.output]
        found += [f"{directory}/model/tuned", f"{directory}/report/funnel.json"]
        for name in ("score.json", "verdicts.jsonl"):
            found += round_scores(number, name)
    return found


def outputs_of_later_rounds():
    """Return the existing outputs of rounds whose jobs are not known yet, for the record of interrupted builds."""
    undecided = [int(each["round"]) for each in internals.planned_wildcards(workflow, "round_result")]
    if not undecided:
        return []
    later = [f"{round_directory(number)}/" for number in range(min(undecided) + 1, configured.rounds + 1)]
    return [
        path for path in internals.output_records() if path.startswith(tuple(later)) and Path(path).exists()
    ]
