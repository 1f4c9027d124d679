from _job import job

with job(snakemake):
    from selfalign.evaluate.reproduction import ObtainedScore, write_reproduction

    write_reproduction(
        [ObtainedScore(*each) for each in snakemake.params.obtained],
        snakemake.input.get("summary") or None,
        json=snakemake.output.json,
        markdown=snakemake.output.markdown,
        html=snakemake.output.html,
    )
