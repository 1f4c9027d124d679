# Which benchmarks a rule looks for, and where their data lie; for the seeds and the curation.

from selfalign.contamination import find_sources


def benchmark_sources(section, known=()):
    """Return the benchmarks that a section of the configuration names, after those already known."""
    return find_sources(section["against"], known=known, downloads=f"{DOWNLOADS}/benchmarks")


SCORED_BENCHMARKS = [(each["name"], each["version"]) for each in config["evaluation"]["benchmarks"]]
SEED_BENCHMARKS = benchmark_sources(config["seeds"]["contamination"])
CURATION_BENCHMARKS = benchmark_sources(
    config["curation"]["decontamination"],
    known=SCORED_BENCHMARKS if config["curation"]["decontamination"]["scored"] else (),
)
