"""What every rule script shares: where the library is, its log and configuration as Snakemake has them."""

import importlib.util
import os
import sys
from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[1]
SOURCES = str(WORKFLOW / "src")
if SOURCES not in sys.path and importlib.util.find_spec("selfalign") is None:
    # In a container or conda environment of the rules, which hold what we need but not ourselves.
    sys.path.append(SOURCES)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SOURCES, os.environ.get("PYTHONPATH")]))

from selfalign.core.config import Config, load_config
from selfalign.core.config.paths import with_bundled_files
from selfalign.core.config.preset import with_preset
from selfalign.core.config.revisions import with_commits
from selfalign.core.job import running_job


def job(snakemake):
    """Return the context in which a rule's work is done; see :func:`selfalign.core.job.running_job`."""
    return running_job(snakemake.log[0] if snakemake.log else None, snakemake.config.get("log_level", "INFO"))


def whole_config(snakemake) -> Config:
    """Return the validated configuration of a job.

    The preset that the rule names is laid over it, and commits in place of the revisions whose records it takes. The
    files that come with the workflow are named as they are found from the working directory.
    """
    preset = snakemake.params.get("preset")
    over = WORKFLOW / f"presets/{preset}.yaml"
    config = with_preset(snakemake.config, over) if preset else load_config(snakemake.config)
    return with_bundled_files(with_commits(config, snakemake.input.get("revisions", [])), WORKFLOW)
