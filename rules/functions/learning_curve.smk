# Parameters and input functions of rules/learning_curve.smk.

LEARNING_CURVE = result("learning_curve/curve.json")
POINTS = list(configured.learning_curve.points())
CURVE_LAYOUT = configured.evaluation.layouts.tuned[0]
CURVE_SCORES = SETS.learning_curve("{point}").directory


wildcard_constraints:
    responses="one|all",
    instructions=r"\d+|all",
    point=alternatives(point.key for point in POINTS),


def curve_files(name):
    """Return a file of the scores of all points."""
    return [f"{SETS.learning_curve(point.key).directory}/{name}" for point in POINTS]


def curve_rows_file(point):
    """Return the training rows of a point of the curve."""
    return result(f"learning_curve/rows/{point.rows}.jsonl")


def curve_rows(wildcards):
    """Return the training rows of a job."""
    return next(curve_rows_file(point) for point in POINTS if point.key == wildcards.point)


def curve_candidates(wildcards):
    """Return the responses from which one of each instruction was selected, if all of them are trained on."""
    return step_before("select") if wildcards.responses == "all" else []


def curve_training(wildcards):
    """Return the settings of a training: those of the run, with the learning rate of the point."""
    rate = next(point.learning_rate for point in POINTS if point.key == wildcards.point)
    training = settings("training")
    return {"training": {**training["training"], "learning_rate": rate}}


def base_score_of_curve():
    """Return the score and verdicts of the base model in the layout of the curve, if it has them."""
    base = SETS.own.get(("base", CURVE_LAYOUT, SETS.learning_curve("").choice.key))
    return [f"{base.directory}/{name}" for name in ("score.json", "verdicts.jsonl")] if base else []
