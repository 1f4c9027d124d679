# Benchmarks whose text is searched for in seeds and rows, and the paths of their data.

from selfalign.contamination import find_sources


def benchmark_sources(section, known=()):
    """Return the benchmarks in `known` and those of a section of the configuration."""
    return find_sources(section["against"], known=known, downloads=f"{DOWNLOADS}/benchmarks")


SCORED_BENCHMARKS = [(each["name"], each["version"]) for each in config["evaluation"]["benchmarks"]]
SEED_BENCHMARKS = benchmark_sources(config["seeds"]["contamination"])
CURATION_BENCHMARKS = benchmark_sources(
    config["curation"]["decontamination"],
    known=SCORED_BENCHMARKS if config["curation"]["decontamination"]["scored"] else (),
)
