"""What the workflow needs of Snakemake itself; the library, :mod:`selfalign`, knows nothing of it."""
