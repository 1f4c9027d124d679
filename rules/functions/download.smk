# The files that rules/download.smk can download: path within the downloads directory, URL and checksum.

from selfalign.benchmarks import available, load_definition
from selfalign.core.config.downloads import PinnedFile


def pinned_files():
    """Return the data files of all benchmarks, the published samples and the configured few-shot file."""
    files = {
        f"benchmarks/{definition.data_name}/{each.file}": each.model_dump(
            exclude_none=True, exclude={"package"}
        )
        for definition in map(load_definition, available())
        for version in definition.versions.values()
        for each in version.files
        if each.url
    }
    pinned = SETS.downloads()
    url, sha256 = (config["generation"][f"few_shots_{key}"] for key in ("url", "sha256"))
    if url:
        pinned[f"few_shots/{sha256}.txt"] = PinnedFile(url=url, sha256=sha256)
    return files | {
        path: {"file": file.name, "url": file.url, "sha256": file.sha256} for path, file in pinned.items()
    }


PINNED_FILES = pinned_files()
# Data files of benchmarks on the hub, by their paths within the downloads directory.
HUB_FILES = {
    f"benchmarks/{name}/{each.file}": each.hub
    for name in available()
    for version in load_definition(name).versions.values()
    for each in version.files
    if each.hub
}
# All versions of the benchmarks with published samples.
PUBLISHED_BENCHMARKS = [
    (name, version) for name in ("humaneval_plus", "mbpp_plus") for version in load_definition(name).versions
]


wildcard_constraints:
    pinned="|".join(map(re.escape, PINNED_FILES)),
    table="|".join(map(re.escape, HUB_FILES)),


def pinned_file(wildcards):
    """Return the URL and checksum of a file, as a parameter of its download."""
    return PINNED_FILES[wildcards.pinned]


def table_file(wildcards):
    """Return the dataset, revision and path of a benchmark's file on the hub, as a parameter."""
    return HUB_FILES[wildcards.table].model_dump()


def table_revision(wildcards):
    """Return the record of the revision of a benchmark's file on the hub, or nothing if it is a commit."""
    file = HUB_FILES[wildcards.table]
    return resolved("dataset", file.dataset, file.revision)
