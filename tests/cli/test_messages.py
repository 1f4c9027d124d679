"""The catalogue: mistakes people make, each really made; the line they get says what, where and what to do."""

import json
import resource
import subprocess
import sys

import pytest
from tiny import write_tiny_checkpoint

from selfalign.sandbox.bubblewrap import find_bwrap

# Name: (command, what the line must say: place, trouble, remedy).
MISTAKES = {
    "unknown key": (
        "plan --config {t}/unknown_key.yaml",
        ["{t}/unknown_key.yaml", "unknown key 'seeds.coutn'", "did you mean 'count'?"],
    ),
    "wrong type": ("plan --config {t}/wrong_type.yaml", ["'seeds.count' is 'many'", "expected integer"]),
    "wrong choice": (
        "plan --config {t}/wrong_choice.yaml",
        ["'server.kind' is 'vlm'", "expected 'vllm', 'container', 'command' or 'external'"],
    ),
    "out of range": (
        "plan --config {t}/out_of_range.yaml",
        ["'seeds.count' is 0", "greater than or equal to 1"],
    ),
    "hub model without id": (
        "plan --config {t}/half_model.yaml",
        ["'model'", "needs `id`"],
    ),
    "two models at once": ("plan --config {t}/two_models.yaml", ["'model'", "remove them"]),
    "section without keys": (
        "plan --config {t}/no_section.yaml",
        ["'seeds' is 3", "expected a section: keys with values"],
    ),
    "name of a run": ("plan --config {t}/bad_name.yaml", ["'run' is 'a b'", "expected text of the form"]),
    "configuration is a list": ("plan --config {t}/a_list.yaml", ["{t}/a_list.yaml", "expected a section"]),
    "configuration is no YAML": (
        "plan --config {t}/no_yaml.yaml",
        ["{t}/no_yaml.yaml", "expected YAML", "line 2"],
    ),
    "configuration is not there": (
        "plan --config {t}/none.yaml",
        ["{t}/none.yaml", "No such file", "check the path"],
    ),
    "missing file": (
        "select {t}/none.jsonl {t}/out",
        ["{t}/none.jsonl", "No such file", "check the path, or run the step that makes it"],
    ),
    "no JSON": (
        "seeds filter {t}/text.jsonl {t}/out",
        ["{t}/text.jsonl, record 2", "expected one JSON object a line"],
    ),
    "no object": (
        "select {t}/list.jsonl {t}/out",
        ["{t}/list.jsonl, record 1", "expected a JSON object, found list"],
    ),
    "missing field": (
        "select {t}/no_response.jsonl {t}/out",
        ["{t}/no_response.jsonl, record 2, field 'response'", "expected a string, found no such field"],
    ),
    "field of another type": (
        "sanitize {t}/number.jsonl {t}/out --pass raw",
        ["record 1, field 'instruction'", "expected a string, found int"],
    ),
    "cut gzip": ("select {t}/cut.jsonl.gz {t}/out", ["{t}/cut.jsonl.gz", "expected whole gzip data"]),
    "no UTF-8": ("select {t}/latin.jsonl {t}/out", ["{t}/latin.jsonl", "expected UTF-8 text"]),
    "output is a directory": (
        "select {t}/good.jsonl {t}/nothing",
        ["{t}/nothing: Is a directory", "check the path"],
    ),
    "output below a file": (
        "select {t}/good.jsonl {t}/good.jsonl/x",
        ["{t}/good.jsonl", "expected a directory, found a file"],
    ),
    "unknown prompt template": (
        "prompts {t}/good.jsonl {t}/out --mode S->C --few-shots {prompts}/few_shots.txt --prompt-template nope",
        ["prompt template 'nope'", "neither a file nor one of selfalign"],
    ),
    "unknown mode": (
        "prompts {t}/good.jsonl {t}/out --mode X --few-shots {prompts}/few_shots.txt",
        ["no mode 'X'", "it has S->C, C->I, I->R"],
    ),
    "few-shots of another layout": (
        "prompts {t}/good.jsonl {t}/out --mode S->C --few-shots {t}/few_shots.txt",
        ["{t}/few_shots.txt", "expected a line '### Example 1'"],
    ),
    "more few-shots than there are": (
        "prompts {t}/good.jsonl {t}/out --mode S->C --few-shots {prompts}/few_shots.txt --num-few-shots 99",
        ["expected 99 few-shot examples", "found 23 usable ones"],
    ),
    "unknown benchmark": (
        "decontaminate {t}/good.jsonl {t}/out --against humanevil",
        ["no benchmark is called 'humanevil'", "there are ds1000"],
    ),
    "unknown version of a benchmark": (
        "decontaminate {t}/good.jsonl {t}/out --against humaneval_plus@v9",
        ["no version 'v9'", "it has v0.1.9, v0.1.10"],
    ),
    "benchmark's data are not there": (
        "decontaminate {t}/good.jsonl {t}/out --against mbpp_plus --data {t}/nothing",
        ["{t}/nothing", "expected MbppPlus-v0.2.0.jsonl.gz"],
    ),
    "samples of another benchmark": (
        "score {t}/foreign_task.jsonl {t}/o --benchmark humaneval",
        ["record 1, field 'task_id'", "no task 'X/1'"],
    ),
    "samples without a completion": (
        "score {t}/no_completion.jsonl {t}/o --benchmark humaneval",
        ["record 1", "expected a field 'completion' or 'solution'"],
    ),
    "server is not there": (
        "generate {t}/good.jsonl {t}/out --mode S->C --model base --endpoint {dead}/v1 --few-shots {prompts}/few_shots.txt",
        ["no server can be reached at {dead}/v1", "start it there, or give another address"],
    ),
    "server of another model": (
        "generate {t}/good.jsonl {t}/out --mode S->C --model base --endpoint {other} --few-shots {prompts}/few_shots.txt",
        ["{other} does not serve 'base', it serves other", "give that name (model.name, --model)"],
    ),
    "address without /v1": (
        "generate {t}/good.jsonl {t}/out --mode S->C --model other --endpoint {other_without_v1} "
        "--few-shots {prompts}/few_shots.txt",
        ["{other_without_v1} is not an OpenAI-compatible address", "did you mean {other}?"],
    ),
    "address without http": (
        "generate {t}/good.jsonl {t}/out --mode S->C --model base --endpoint localhost:1 --few-shots {prompts}/few_shots.txt",
        ["endpoint 'localhost:1'", "expected http://HOST:PORT/v1"],
    ),
    "no server named": (
        "generate {t}/good.jsonl {t}/out --mode S->C --model base --few-shots {prompts}/few_shots.txt",
        ["no endpoint", "or set OPENAI_BASE_URL"],
    ),
    "model not found": (
        "respond hello --model {t}/none",
        ["{t}/none", "no such checkpoint directory", "check the path, or give a hub id"],
    ),
    "directory is no checkpoint": (
        "respond hello --model {t}/nothing",
        ["{t}/nothing", "expected a checkpoint directory with a config.json"],
    ),
    "no rows left": (
        "train {t}/empty.jsonl {t}/o --base {t}/t5",
        ["{t}/empty.jsonl", "expected at least 4 rows to train on (training.min_rows), found 0"],
    ),
    "model of another kind": (
        "train {t}/good.jsonl {t}/o --base {t}/t5 --config {t}/one_row.yaml",
        ["{t}/t5", "causal language model"],
    ),
    "unknown sandbox": (
        "execute {t}/good.jsonl {t}/out --runtime dokcer",
        ["'execution.runtime' is 'dokcer'", "allowed: auto, gvisor, docker"],
    ),
    "unknown scope": (
        "execute {t}/good.jsonl {t}/out --scope all",
        ["scope 'all'", "expected one of module, function"],
    ),
    "sandbox elsewhere without a token": (
        "execute {t}/good.jsonl {t}/out --runtime {dead}",
        ["needs its token", "set SELFALIGN_SANDBOX_TOKEN"],
    ),
    "token file is not there": (
        "sandbox serve --token-file {t}/none",
        ["{t}/none", "expected a file that contains a token"],
    ),
    "port in use": (
        "sandbox serve --token-file {t}/token --port {used} --runtime none",
        ["Address already in use", "choose another, or 0 for a free one"],
    ),
    "token is no UTF-8": (
        "sandbox serve --token-file {t}/latin.jsonl",
        ["{t}/latin.jsonl", "expected a file that contains a token"],
    ),
    "token of several words": (
        "sandbox serve --token-file {t}/text.jsonl",
        ["{t}/text.jsonl", "a token (visible ASCII characters, no spaces)"],
    ),
    "unknown host": (
        "sandbox serve --token-file {t}/token --port 0 --host nowhere.invalid --runtime none",
        ["cannot listen on nowhere.invalid, port 0", "check the name or address of the host"],
    ),
    "address of another machine": (
        "sandbox serve --token-file {t}/token --port 0 --host 192.0.2.1 --runtime none",
        ["cannot listen on 192.0.2.1, port 0", "no network interface of this machine has the address"],
    ),
    "name of an output is too long": (
        "select {t}/good.jsonl {t}/{long}",
        ["{t}/{long}: File name too long", "choose a shorter name"],
    ),
    "name of an input is too long": ("trace 1 {t}/{long}", ["{long}: File name too long"]),
    "name of a cache is too long": (
        "execute {t}/good.jsonl {t}/out --runtime none --cache {t}/{long}",
        ["{long}: File name too long"],
    ),
    "name of a directory is too long": (
        "score {t}/good.jsonl {t}/{long} --benchmark humaneval",
        ["{long}", "File name too long"],
    ),
    "lineage is no object": (
        "decontaminate {t}/lineage.jsonl {t}/out --against humaneval",
        ["{t}/lineage.jsonl, record 1, field 'lineage'", "expected an object, found str"],
    ),
    "completion cache is not there": (
        "completion-cache inspect {t}/none",
        ["{t}/none", "expected the directory of a completion cache"],
    ),
    "unknown GPU": ("plan train starcoder2-3b --gpu z", ["GPU 'z'", "expected one of a100-40gb"]),
    "unknown model to plan": (
        "plan --model nope",
        ["model 'nope'", "expected a checkpoint directory or one of"],
    ),
    "directory is no run": ("plan --run {t}/nothing", ["{t}/nothing", "is this the directory of a run?"]),
    "report of nothing": (
        "report {t}/nothing {t}/page.html",
        ["{t}/nothing/report/funnel.json", "run the step that makes it"],
    ),
    "no such directory of sources": (
        "seeds extract {t}/none {t}/out",
        ["{t}/none", "expected a directory of Python files"],
    ),
    "directory without sources": (
        "seeds extract {t}/nothing {t}/out",
        ["{t}/nothing", "(*.py) below it, found none"],
    ),
    "unknown strictness": (
        "seeds check {t}/good.jsonl {t}/out --strictness nope",
        ["'types.strictness' is 'nope'", "expected 'basic', 'standard' or 'strict'"],
    ),
    "place of the doctor": ("doctor {t}/none", ["{t}/none", "expected an existing directory"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_line_says_what_where_and_what_to_do(name, world, say):
    command, expected = MISTAKES[name]
    world = {**world, "long": "x" * 300}
    status, line = say(*(word.format(**world) for word in command.split()))
    assert status == 1
    assert line.startswith("selfalign: error: ")
    for part in expected:
        assert part.format(**world) in line


def test_the_catalogue_is_long_enough():
    assert len(MISTAKES) >= 30


def test_a_mistyped_command_is_answered_with_the_right_one(say):
    status, text = say("selct")
    assert status == 2
    assert "Did you mean 'select'?" in text


def test_no_container_engine(world, say, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none.sock")
    for engine, reason in {
        "docker": "no Docker engine answers; start it",
        "podman": "no Podman engine answers; start its service",
        "apptainer": "there is no command apptainer; install it",
    }.items():
        status, line = say("execute", f"{world['t']}/good.jsonl", f"{world['t']}/out", "--runtime", engine)
        assert status == 1
        assert reason in line
        assert "or take another runtime" in line


def test_wrong_accelerate_configuration(world, say, tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    t = world["t"]
    command = ["train", f"{t}/good.jsonl", f"{t}/o", "--base", str(base), "--config", f"{t}/accelerate.yaml"]
    status, line = say(*command)
    assert status == 1
    assert "'training.accelerate' is 'nope'" in line
    assert "expected auto, cpu" in line


def test_wrong_checksum(place):
    from selfalign.core.errors import DataError
    from selfalign.core.hashing import verify_sha256

    with pytest.raises(DataError) as caught:
        verify_sha256(place / "good.jsonl", "0" * 64)
    assert f"{place}/good.jsonl: expected SHA-256 {'0' * 64}, found " in str(caught.value)
    assert "remove it to download it again" in str(caught.value)


def in_a_process(*arguments: str, before: str = "") -> tuple[int, str]:
    code = f"{before}\nimport sys\nfrom selfalign.cli import main\nsys.argv = {['selfalign', *arguments]!r}\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("selfalign: error: ")]
    return done.returncode, lines[0] if lines else done.stderr


def test_out_of_memory(tmp_path):
    row = {"instruction": "x" * 100_000_000, "response": "y"}
    (tmp_path / "big.jsonl").write_text(json.dumps(row) + "\n")
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({250 << 20}, {250 << 20}))"
    status, line = in_a_process("select", f"{tmp_path}/big.jsonl", f"{tmp_path}/out", before=limit)
    assert status == 1
    assert "out of memory" in line
    assert "mem_mb" in line
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 250 << 20


def test_out_of_disk(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        "".join(json.dumps({"instruction": f"{i}" * 999, "response": f"{i}r"}) + "\n" for i in range(300))
    )
    (tmp_path / "full").mkdir()
    small = [find_bwrap(), "--dev-bind", "/", "/", "--size", "65536", "--tmpfs", f"{tmp_path}/full"]
    command = [
        sys.executable,
        "-m",
        "selfalign",
        "select",
        f"{tmp_path}/in.jsonl",
        f"{tmp_path}/full/out.jsonl",
    ]
    done = subprocess.run([*small, *command], capture_output=True, text=True, check=False)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert line.startswith(
        f"selfalign: error: {tmp_path}/full/out.jsonl: No space left on device; free some disk space"
    )
