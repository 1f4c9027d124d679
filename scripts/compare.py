from _job import job

with job(snakemake):
    from pathlib import Path

    from selfalign.report.compare import write_comparison

    runs = [Path(funnel).parent.parent for funnel in snakemake.input.funnels]
    write_comparison(runs, snakemake.output.page)
