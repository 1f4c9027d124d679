from _job import job, whole_config

if __name__ == "__main__":  # worker processes import this file
    with job(snakemake):
        from selfalign.core.config.base import validate_section
        from selfalign.core.config.seeds import FiltersConfig
        from selfalign.seeds.collect import collect_unit, decontamination_filter

        params = snakemake.params
        collect_unit(
            whole_config(snakemake).seeds.sources,
            snakemake.wildcards.unit,
            validate_section(FiltersConfig, params.filters, "seeds.filters"),
            out=snakemake.output.rows,
            dropped=snakemake.output.dropped,
            counts=snakemake.output.counts,
            decontaminate=decontamination_filter(
                params.benchmarks, params.clean["ngram"], params.clean["exempt"]
            ),
            wheel=snakemake.input.get("wheel"),
            workers=snakemake.threads,
        )
