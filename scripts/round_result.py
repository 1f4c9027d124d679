from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.evaluate.rounds import write_result

    def directories(scored, scores):
        return dict(zip(map(tuple, scored), (Path(score).parent for score in scores), strict=True))

    files, params, config = snakemake.input, snakemake.params, job_config(snakemake)
    before = files.get("scores_before")
    write_result(
        int(snakemake.wildcards.round),
        directories(params.scored, files.scores),
        snakemake.output.result,
        before=directories(params.scored, before) if before else None,
        base=directories(params.base_scored, files.base_scores),
        instructions=files.instructions,
        instructions_before=files.get("instructions_before", []),
        dataset=files.dataset,
        settings=config.next_round,
        similarity=config.curation.self_tests,
    )
