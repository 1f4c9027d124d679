from _job import job, job_config

if __name__ == "__main__":  # worker processes import this file
    with job(snakemake):
        from selfalign.seeds.collect import collect_unit, decontamination_filter

        seeds = job_config(snakemake).seeds
        contamination = seeds.contamination
        collect_unit(
            seeds.sources,
            snakemake.wildcards.unit,
            seeds.filters,
            out=snakemake.output.rows,
            dropped=snakemake.output.dropped,
            counts=snakemake.output.counts,
            decontaminate=decontamination_filter(
                snakemake.params.benchmarks, contamination.ngram, contamination.exempt
            ),
            wheel=snakemake.input.get("wheel"),
            workers=snakemake.threads,
        )
