# Parameters and input functions of rules/checkpoints.smk.

import json

CHECKPOINT_SCORES = result("scores/checkpoints.jsonl")
CHECKPOINT = result("scores/checkpoints/step-{step}/{layout}/{benchmark}")
TUNED_LAYOUTS_AND_BENCHMARKS = [(layout, key) for model, layout, key in SETS.own if model == "tuned"]


wildcard_constraints:
    step=r"\d+",


def scored_steps():
    """Return the steps of the intermediate checkpoints. Until the training has ended, they are not known."""
    with checkpoints.checkpoint_steps.get().output.steps.open() as file:
        return [row["step"] for row in map(json.loads, file) if not row["last"]]


def checkpoint_score_files(wildcards):
    """Return the scores of all checkpoints: by step, then by layout and benchmark; those of the last one are the run's."""
    found = [
        f"{SETS.checkpoint(str(step), layout, key).directory}/score.json"
        for step in scored_steps()
        for layout, key in TUNED_LAYOUTS_AND_BENCHMARKS
    ]
    last = [
        f"{SETS.own['tuned', layout, key].directory}/score.json"
        for layout, key in TUNED_LAYOUTS_AND_BENCHMARKS
    ]
    return found + last
