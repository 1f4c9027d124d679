# Records of revisions on the hub that are branches or tags and have to be resolved to a commit first.

from urllib.parse import unquote

from selfalign.core.config.revisions import is_commit, record_name

REVISIONS = f"{DOWNLOADS}/revisions"


wildcard_constraints:
    kind="model|dataset",
    repository="[^/@]+",
    revision="[^/]+",


def resolved(kind, repository, revision):
    """Return the record of the commit of a revision, or nothing if the revision is a commit."""
    return [] if is_commit(revision) else [f"{REVISIONS}/{record_name(kind, repository, revision)}"]


def asked_revision(wildcards):
    """Return the repository and revision of a record."""
    return {
        "kind": wildcards.kind,
        "name": wildcards.repository.replace("--", "/", 1),
        "revision": unquote(wildcards.revision),
    }


def model_revision(model=None):
    """Return the record of the revision of a model, by default of the configured one."""
    model = model or configured.model
    return resolved("model", model.id, model.revision) if model.source == "hub" else []


def source_revision():
    """Return the record of the revision of the data set with the source files, if it is on the hub."""
    sources = config["seeds"]["sources"]
    if sources["kind"] not in ("stack", "hub") or Path(sources["dataset"]).is_dir():
        return []
    return resolved("dataset", sources["dataset"], sources["revision"])
