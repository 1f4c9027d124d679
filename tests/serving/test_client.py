"""The configured model's client: which server answers it, under which name, and when one is started."""

import sys

import httpx
import pytest
from tests import model_server

from selfalign.client import Request
from selfalign.core.checkpoint import write_card
from selfalign.core.config import load_config
from selfalign.core.errors import ConfigError
from selfalign.serving.client import endpoints, served_client

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def config(tmp_path):
    """A function that returns a configuration with the given server, started by each job for itself."""

    def make(command, **sections):
        paths = {"results": str(tmp_path / "results"), "completion_cache": str(tmp_path / "cache")}
        server = {"kind": "command", "command": command, "lifetime": "job"}
        return load_config({"paths": paths, "server": server, **sections})

    return make


def test_a_job_that_owns_its_server_ends_it(config, checkpoint):
    with endpoints(config(model_server.command()), checkpoint, "base") as urls:
        assert httpx.get(f"{urls[0]}/models").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{urls[0]}/models")


def test_an_external_server_is_the_configured_one_or_the_environments(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://environment/v1")
    for configured, expected in ((["http://a/v1"], ["http://a/v1"]), ([], ["http://environment/v1"])):
        settings = load_config({"server": {"kind": "external", "endpoints": configured}})
        with endpoints(settings, None, "base") as urls:
            assert urls == expected


def test_a_server_that_is_to_be_started_needs_a_checkpoint(config):
    with pytest.raises(ConfigError, match=r"'server.kind' is 'command', which needs a checkpoint"):
        with endpoints(config(model_server.command()), None, "base"):
            pass


@pytest.mark.parametrize(("tuned", "name"), [(False, "small"), (True, "base")])
def test_the_model_is_served_under_its_name_and_known_by_its_identity(config, checkpoint, tuned, name):
    write_card(checkpoint)
    settings = config(model_server.command(), model={"name": "small"})
    with served_client(settings, checkpoint, tuned=tuned) as (client, identity):
        # The server refuses requests for a model of another name.
        assert next(client.complete([Request("1", "a", 5)])).error is None
        assert next(client.complete([Request("2", "b", 5)])).error is None
    log = next((checkpoint.parents[1] / "results/default/logs/server").glob("base-job-*.log"))
    assert "listening on" in log.read_text()
    assert name in settings.model.name or name == checkpoint.name
    assert len(identity) == 64


def test_what_the_cache_answers_starts_no_server(config, checkpoint, tmp_path):
    wanted = [Request(str(i), f"prompt {i}", 5) for i in range(20)]
    with served_client(config(model_server.command()), checkpoint) as (client, first):
        bought = [result.choices for result in client.complete(wanted)]
    leaves_a_trace = [sys.executable, "-c", f"open('{tmp_path}/started', 'w')", "{model}", "{port}"]
    with served_client(config(leaves_a_trace), checkpoint) as (client, again):
        assert [result.choices for result in client.complete(wanted)] == bought
    assert first == again
    assert not (tmp_path / "started").exists()
