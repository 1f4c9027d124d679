# Lock files of rules/environments.smk, and the environments that rules need.

from selfalign.benchmarks import load_definition
from selfalign.core.config.execution import BUILD, STDLIB
from selfalign.program_environments import LOCKS, find_lock


wildcard_constraints:
    programs="[a-z0-9][a-z0-9_-]*",


def program_lock(wildcards):
    """Return the lock file of an environment."""
    return bundled(f"{LOCKS}/{wildcards.programs}.lock")


def program_lock_contents(wildcards):
    """Return the hash of the lock file of an environment, as a parameter."""
    return contents(f"{LOCKS}/{wildcards.programs}.lock")


def installed(name):
    """Return the directory of an environment as a list; empty for those that need no installation."""
    if name in (STDLIB, BUILD):
        return []
    try:
        find_lock(name)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return [f"{DOWNLOADS}/environments/{name}"]


# Environment of the responses of the run.
EXECUTION_ENVIRONMENT = installed(config["execution"]["environment"])
