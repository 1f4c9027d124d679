# Which revisions on the hub are branches or tags, and so are resolved to a commit and recorded first.

from urllib.parse import unquote

from selfalign.core.config.revisions import is_commit, record_name

REVISIONS = f"{DOWNLOADS}/revisions"


wildcard_constraints:
    kind="model|dataset",
    repository="[^/@]+",
    revision="[^/]+",


def resolved(kind, repository, revision):
    """Return the record of the commit of a revision; nothing where it is a commit."""
    return [] if is_commit(revision) else [f"{REVISIONS}/{record_name(kind, repository, revision)}"]


def asked_revision(wildcards):
    """Return the revision that a record is of."""
    return {
        "kind": wildcards.kind,
        "name": wildcards.repository.replace("--", "/", 1),
        "revision": unquote(wildcards.revision),
    }


def model_revision(model=None):
    """Return the record of a model's revision: the configured one's, or that of a preset's."""
    model = model or configured.model
    return resolved("model", model.id, model.revision) if model.source == "hub" else []


def source_revision():
    """Return the record of the revision of the data set that the seeds come from, if that is one on the hub."""
    sources = config["seeds"]["sources"]
    if sources["kind"] not in ("stack", "hub") or Path(sources["dataset"]).is_dir():
        return []
    return resolved("dataset", sources["dataset"], sources["revision"])
