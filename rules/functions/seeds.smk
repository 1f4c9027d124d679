# What rules/seeds.smk is made from: its parameters and input functions.

from selfalign.core.config.base import validate_section
from selfalign.core.config.seeds import NearDuplicatesConfig, SourcesConfig
from selfalign.dedup import count_bands
from selfalign.seeds.sources import list_units, unit_files
from selfalign.seeds.sources.packages import pinned_requirement

SOURCES = validate_section(SourcesConfig, config["seeds"]["sources"], "seeds.sources")
UNITS = list_units(SOURCES)

# Duplicates: one job in memory, or a job a unit (its rank is its place) and a band.
DUPLICATES = validate_section(
    NearDuplicatesConfig, config["seeds"]["near_duplicates"], "seeds.near_duplicates"
)
MANY_NODES = DUPLICATES.enabled and DUPLICATES.by == "nodes"
MINHASH = result("seeds/minhash")
BANDS = [f"{band:03d}" for band in range(count_bands(DUPLICATES.threshold, DUPLICATES.num_perm))]
RANKS = [f"{rank:05d}" for rank in range(len(UNITS))]
DUPLICATE_COUNTS = (
    expand(result("seeds/counts/unique/{unit}.json"), unit=UNITS)
    if MANY_NODES
    else [result("seeds/counts/duplicates.json")]
)

JUDGING = config["seeds"]["judge"]["enabled"]
LAST_STEP = "judged" if JUDGING else "checked"

# The counts of the stage, in the order of its steps.
SEED_COUNTS = [
    *expand(result("seeds/counts/functions/{unit}.json"), unit=UNITS),
    *DUPLICATE_COUNTS,
    *expand(result("seeds/counts/checked/{unit}.json"), unit=UNITS),
    *expand(result("seeds/counts/judged/{unit}.json"), unit=UNITS if JUDGING else []),
]


wildcard_constraints:
    package=r"[A-Za-z0-9._-]+",
    unit=r"[A-Za-z0-9._-]+",
    rank=r"\d\d\d\d\d",
    band=r"\d\d\d",


def unit_wheel(wildcards):
    """Return the wheel that a unit is read from, if the source is packages."""
    return f"{DOWNLOADS}/packages/{wildcards.unit}.whl" if SOURCES.kind == "packages" else []


def unit_inputs(wildcards):
    """Return the local files that a unit is read from."""
    return [local(path) for path in unit_files(SOURCES, wildcards.unit)]


def unit_source(wildcards):
    """Return the configuration that decides what a unit holds, without the names of the other units."""
    return {
        key: value
        for key, value in config["seeds"]["sources"].items()
        if key not in ("packages", "files", "lock")
    }


def package_pin(wildcards):
    """Return the line of the lock for a package."""
    name = next(each for each in SOURCES.packages if each.replace("==", "-") == wildcards.package)
    return pinned_requirement(name, find_bundled(SOURCES.lock, WORKFLOW))


def ranked_functions(wildcards):
    """Return the functions of the unit with a rank."""
    return result(f"seeds/functions/{UNITS[int(wildcards.rank)]}.jsonl")
