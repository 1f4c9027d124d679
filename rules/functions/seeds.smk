# Parameters and input functions of rules/seeds.smk.

from selfalign.dedup import count_bands
from selfalign.seeds.sources import list_units, unit_files
from selfalign.seeds.sources.packages import pinned_requirement

SOURCES = configured.seeds.sources
UNITS = list_units(SOURCES)

# Deduplication: one job in memory, or one job per unit (by rank, its position among the units) and per band.
DUPLICATES = configured.seeds.near_duplicates
MANY_NODES = DUPLICATES.enabled and DUPLICATES.by == "nodes"
MINHASH = result("seeds/minhash")
BANDS = [f"{band:03d}" for band in range(count_bands(DUPLICATES.threshold, DUPLICATES.num_perm))]
RANKS = [f"{rank:05d}" for rank in range(len(UNITS))]
DUPLICATE_COUNTS = (
    expand(shared("seeds/counts/unique/{unit}.json"), unit=UNITS)
    if MANY_NODES
    else [shared("seeds/counts/duplicates.json")]
)

JUDGING = configured.seeds.judge.enabled
LAST_STEP = "judged" if JUDGING else "checked"

# The counts files of the stage, in the order of its steps.
SEED_COUNTS = [
    *expand(shared("seeds/counts/functions/{unit}.json"), unit=UNITS),
    *DUPLICATE_COUNTS,
    *expand(shared("seeds/counts/checked/{unit}.json"), unit=UNITS),
    *expand(shared("seeds/counts/judged/{unit}.json"), unit=UNITS if JUDGING else []),
]


wildcard_constraints:
    package=r"[A-Za-z0-9._-]+",
    unit=r"[A-Za-z0-9._-]+",
    rank=r"\d\d\d\d\d",
    band=r"\d\d\d",


def unit_wheel(wildcards):
    """Return the wheel of a unit, if the source is packages."""
    return f"{DOWNLOADS}/packages/{wildcards.unit}.whl" if SOURCES.kind == "packages" else []


def unit_inputs(wildcards):
    """Return the local input files of a unit."""
    return [local(path) for path in unit_files(SOURCES, wildcards.unit)]


def unit_settings(wildcards):
    """Return the settings that decide the functions of a unit. Of the list of units, they contain only this one."""
    sources = settings("seeds.sources")["seeds.sources"]
    listed = "packages" if SOURCES.kind == "packages" else "files"
    own = [each for each, unit in zip(sources[listed], UNITS) if unit == wildcards.unit]
    del (
        sources["lock"],
        sources["packages"],
        sources["files"],
    )  # the requirement in the lock is that of fetch_package
    return {
        **settings("seeds.filters", "seeds.contamination.ngram", "seeds.contamination.exempt"),
        **{f"seeds.sources.{key}": value for key, value in sources.items()},
        **({f"seeds.sources.{listed}": own} if own else {}),
    }


def package_pin(wildcards):
    """Return the requirement of a package in the lock file."""
    name = next(each for each in SOURCES.packages if each.replace("==", "-") == wildcards.package)
    return pinned_requirement(name, find_bundled(SOURCES.lock, WORKFLOW))


def ranked_functions(wildcards):
    """Return the functions of the unit with the given rank."""
    return result(f"seeds/functions/{UNITS[int(wildcards.rank)]}.jsonl")


# Packages whose imports are inferred: responses must be able to import them.
INFERRED_PACKAGES = config["seeds"]["imports"]["enabled"] and config["seeds"]["imports"]["packages"]
