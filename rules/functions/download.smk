# The files that rules/download.smk can download: path within the downloads directory, URL and checksum.

from selfalign.benchmarks import available, load_definition
from selfalign.core.config.downloads import PinnedFile


def pinned_files():
    """Return the data files of all benchmarks, the published samples and the configured few-shot file."""
    files = {
        f"benchmarks/{name}/{each.file}": each.model_dump(exclude_none=True, exclude={"package"})
        for name in available()
        for version in load_definition(name).versions.values()
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
# All versions of the benchmarks with published samples.
PUBLISHED_BENCHMARKS = [
    (name, version) for name in ("humaneval_plus", "mbpp_plus") for version in load_definition(name).versions
]


wildcard_constraints:
    pinned="|".join(map(re.escape, PINNED_FILES)),


def pinned_file(wildcards):
    """Return the URL and checksum of a file, as a parameter of its download."""
    return PINNED_FILES[wildcards.pinned]
