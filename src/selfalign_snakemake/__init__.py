"""Integration with Snakemake; the library, :mod:`selfalign`, does not depend on Snakemake."""
