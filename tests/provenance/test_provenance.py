"""What a run's provenance says, and what its verification notices."""

import base64
import json

import pytest
from typer.testing import CliRunner

from selfalign import provenance
from selfalign.cli import build_app
from selfalign.core.config import Config
from selfalign.core.errors import DataError
from selfalign.core.host import host_facts, host_line, nvidia_gpus, read_hosts
from selfalign.provenance import PROVENANCE, commit, environment, verify_run, write_provenance
from selfalign_snakemake.internals import output_records


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of two artifacts and a checkpoint, with its provenance."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "results/one"
    for name, text in {
        "dataset/train.jsonl": '{"a": 1}\n',
        "execution/verdicts/0000.jsonl": '{"key": "0", "runtime": "docker", "image": "i@sha256:1"}\n',
        "model/base/selfalign.json": '{"identity": "abc"}',
        "model/base/weights/part": "weights",
        "logs/a.log": f"{host_line()}\nx\n",
        "logs/b/1.log": f"{host_line()}\n{host_line()}\n",
    }.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    (tmp_path / "wheel").write_text("a wheel")
    (tmp_path / "lock").write_text("# pins\npytest==0.0.1\nno-such-package==1 \\\n    --hash=sha256:00\n")
    record = tmp_path / ".snakemake/metadata"
    record.mkdir(parents=True)
    name = base64.urlsafe_b64encode(b"results/one/dataset/train.jsonl").decode()
    (record / name).write_text(json.dumps({"rule": "dataset", "starttime": 0, "endtime": 1.5}))
    write_provenance(
        Config(run="one"),
        run / PROVENANCE,
        run="results/one",
        artifacts=["results/one/dataset/train.jsonl", "results/one/model/base"],
        sources=["wheel"],
        verdicts=["results/one/execution/verdicts/0000.jsonl"],
        locks=["lock"],
        project=tmp_path,
        records=output_records(),
    )
    return run


def document(run):
    return json.loads((run / PROVENANCE).read_text())


def test_every_file_is_named_with_rule_and_times(run):
    artifacts = document(run)["artifacts"]
    assert list(artifacts) == ["dataset/train.jsonl", "model/base/selfalign.json", "model/base/weights/part"]
    train = artifacts["dataset/train.jsonl"]
    assert (train["rule"], train["started"], train["bytes"]) == ("dataset", "1970-01-01T00:00:00+00:00", 9)


def test_it_says_what_was_used(run):
    found = document(run)
    assert found["configuration"]["run"] == "one"
    assert found["images"] == {"sandbox": [{"runtime": "docker", "image": "i@sha256:1"}], "server": None}
    assert found["models"] == {"base": {"identity": "abc"}, "tuned": None}
    assert list(found["sources"]) == ["wheel"]
    assert found["environment"]["not_as_locked"].keys() == {"pytest", "no-such-package"}
    assert [(host["name"], host["jobs"]) for host in found["hosts"]] == [(host_facts()["name"], 2)]


def test_a_run_as_it_was_verifies(run):
    assert verify_run(run).problems == {}
    done = CliRunner().invoke(build_app(), ["verify", str(run)])
    assert (done.exit_code, done.stdout) == (0, "3 artifacts: all as recorded\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_text('{"a": 2}\n'), "has SHA-256"),
        (lambda path: path.write_text("longer than it was"), "bytes, not 9"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_a_changed_artifact_is_named(run, change, said):
    change(run / "dataset/train.jsonl")
    done = CliRunner().invoke(build_app(), ["verify", str(run)])
    assert done.exit_code == 1
    assert done.stdout.startswith("dataset/train.jsonl ")
    assert said in done.stdout


def test_a_changed_configuration_is_noticed(run):
    changed = document(run)
    changed["configuration"]["seeds"]["count"] = 99
    (run / PROVENANCE).write_text(json.dumps(changed))
    assert verify_run(run).problems == {PROVENANCE: "its configuration was changed"}


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file; expected the directory of a finished run"):
        verify_run(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / PROVENANCE).write_text("{}")
    with pytest.raises(DataError, match="expected a provenance"):
        verify_run(tmp_path)


def test_a_directory_outside_of_git_has_no_commit(tmp_path):
    assert commit(tmp_path) is None


def test_the_lock_is_hashed(root):
    locks = [str(root / "envs/main.lock"), str(root / "envs/torch.lock")]
    found = environment(locks)
    assert list(found["locks"]) == locks
    assert all(len(sha256) == 64 for sha256 in found["locks"].values())
    assert {"snakemake", "torch"}.isdisjoint(found["not_as_locked"])


def test_in_an_environment_of_the_rules_what_is_absent_is_not_named(tmp_path, monkeypatch):
    (tmp_path / "lock").write_text("pytest==0.0.1\nno-such-package==1\n")
    monkeypatch.setattr(provenance, "_installed", {"pytest": "9.2.0"}.get)
    assert environment([tmp_path / "lock"])["not_as_locked"] == {"pytest": "9.2.0"}


def test_gpus_are_those_of_the_driver(tmp_path):
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/information").write_text("Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ: 1\n")
    assert nvidia_gpus(tmp_path) == ["NVIDIA A100-SXM4-80GB"]


def test_a_log_without_hosts_has_none(tmp_path):
    (tmp_path / "log").write_text("nothing\n")
    assert read_hosts(tmp_path / "log") == []
