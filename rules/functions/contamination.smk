# Which benchmarks a rule looks for, and where their data lie; serves the seeds and the curation.

from selfalign.contamination import find_sources


def benchmark_sources(section, known=()):
    """Return the benchmarks that a section of the configuration names, after those already known."""
    directory = section["data"] and section["data"].format(shared=config["paths"]["shared"])
    return find_sources(section["against"], directory, known=known, downloads=f"{DOWNLOADS}/benchmarks")


def scored_benchmarks():
    """Return name, version and configured data of the benchmarks that are scored."""
    shared = config["paths"]["shared"]
    return [
        (each["name"], each["version"], each["data"] and each["data"].format(shared=shared))
        for each in config["evaluation"]["benchmarks"]
    ]


SEED_BENCHMARKS = benchmark_sources(config["seeds"]["contamination"])
CURATION_BENCHMARKS = benchmark_sources(
    config["curation"]["decontamination"],
    known=scored_benchmarks() if config["curation"]["decontamination"]["scored"] else (),
)
