"""One finished tiny build for all tests of the workflow."""

import pytest
from tests.tiny import write_tiny_checkpoint
from tests.workflow.harness import Build, tiny_config, working_copy


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """A build that ran to its end, seeds to report. Not to be changed."""
    directory = working_copy(tmp_path_factory.mktemp("workflow"))
    write_tiny_checkpoint(directory / "tiny-model")
    build = Build(directory, tiny_config())
    done = build.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    return build
