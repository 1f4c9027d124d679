"""Shared by all rule scripts: location of the library, logging and configuration."""

import importlib.util
import os
import sys
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[1]
SOURCES = str(WORKFLOW / "src")
if SOURCES not in sys.path and importlib.util.find_spec("selfalign") is None:
    # In a container or conda environment of a rule, which has the dependencies of selfalign but not selfalign.
    sys.path.append(SOURCES)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCES, os.environ.get("PYTHONPATH")]))

from selfalign.core.config import Config, load_config, with_preset
from selfalign.core.config.paths import with_bundled_files
from selfalign.core.config.revisions import with_commits
from selfalign.core.config.staleness import restricted, with_values
from selfalign.core.job import running_job


def job(snakemake):
    """Return the context of a job, with its log; see :func:`selfalign.core.job.running_job`."""
    return running_job(snakemake.log[0] if snakemake.log else None, snakemake.config.get("log_level", "INFO"))


def job_config(snakemake) -> Config:
    """Return the configuration that a job may read: runtime-only settings, and those in its parameter ``settings``.

    Reading any other setting raises AttributeError, since changing it would not rerun the job. The values are those of
    the parameters; a preset named by the parameter ``preset`` replaces runtime-only settings. Revisions are replaced by
    the commits in the input ``revisions``, and paths of bundled files by their locations.
    """
    preset = snakemake.params.get("preset")
    over = WORKFLOW / f"presets/{preset}.yaml"
    config = with_preset(snakemake.config, over) if preset else load_config(snakemake.config)
    settings = snakemake.params.get("settings", {})
    config = with_commits(with_values(config, settings), snakemake.input.get("revisions", []))
    return restricted(with_bundled_files(config, WORKFLOW), settings.keys())
