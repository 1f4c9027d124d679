# Rounds: after each, whether another one follows; each later round is the same workflow with a configuration of its own.
# Included if rounds is above 1.

# Rules of a later round. All others belong to the run: their outputs do not depend on the round.
RULES_OF_ROUND = [
    *("concepts", "instructions", "filter_instructions", "responses"),
    *("execute", "matrix"),
    *(
        "sanitize_raw",
        "nontrivial_tests",
        "consensus",
        "select",
        "sanitize_smart",
        "decontaminate",
        "find_solutions",
        "decontaminate_by_execution",
        "hold_out",
    ),
    *("dataset", "dataset_card", "train", "benchmark_samples", "benchmark_score", "scores", "model_card"),
    "funnel",
]
TUNED_SCORES = [(layout, key) for model, layout, key in SETS.own if model == "tuned"]

for number in range(2, configured.rounds + 1):
    internals.use_rules(
        workflow,
        RULES_OF_ROUND,
        snakefile=str(WORKFLOW / "Snakefile"),
        config=LaterRound(number, config),
        prefix=f"round_{number}_",
    )


checkpoint round_result:
    input:
        scores=lambda wildcards: round_scores(int(wildcards.round), "score.json"),
        verdicts=lambda wildcards: round_scores(int(wildcards.round), "verdicts.jsonl"),
        scores_before=lambda wildcards: round_scores(int(wildcards.round) - 1, "score.json"),
        verdicts_before=lambda wildcards: round_scores(int(wildcards.round) - 1, "verdicts.jsonl"),
        base_scores=base_scores("score.json"),
        base_verdicts=base_scores("verdicts.jsonl"),
        instructions=lambda wildcards: round_instructions(int(wildcards.round)),
        instructions_before=lambda wildcards: round_instructions(int(wildcards.round) - 1),
        dataset=lambda wildcards: f"{round_directory(int(wildcards.round))}/dataset/train.jsonl",
    output:
        result=result("rounds/{round}.json"),
    log:
        result("logs/round_result/{round}.log"),
    benchmark:
        result("benchmarks/round_result/{round}.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("round_result"),
        scored=TUNED_SCORES,
        base_scored=[each for each in TUNED_SCORES if ("base", *each) in SETS.own],
        settings=settings(
            "next_round.max_p_value",
            "next_round.min_diversity",
            "curation.self_tests.threshold",
            "curation.self_tests.num_perm",
            "curation.self_tests.ngram",
        ),
    message:
        "Compare round {wildcards.round} with the one before, and decide whether another one follows"
    script:
        "../scripts/round_result.py"


rule rounds:
    input:
        results=lambda wildcards: [result(f"rounds/{number}.json") for number in rounds_run()],
    output:
        table=report(
            result("rounds/table.json"),
            caption="../report/rounds.rst",
            category="Scores",
            labels={"model": "tuned in each round", "benchmark": "all"},
        ),
    log:
        result("logs/rounds.log"),
    benchmark:
        result("benchmarks/rounds.tsv")
    localrule: True
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=10,
    params:
        code=fingerprint("rounds"),
        rounds=configured.rounds,
    message:
        "Write the table of all rounds: {output.table}"
    script:
        "../scripts/rounds.py"
