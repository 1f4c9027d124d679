"""A stage over files: shards, order, dropped records, failures, lineage."""

from __future__ import annotations

import json

import pytest
from tests.scripted_server import completion, error
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.client import open_client
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.jsonl import read_jsonl
from selfalign.generate.prompted_records import Sampling
from selfalign.generate.prompts import build_prompts
from selfalign.generate.stage import build_stage, run_stage


@pytest.fixture(params=["faithful", "grouped"])
def run(request, few_shots, tmp_path):
    """A function that runs a stage over `source` and returns its rows, dropped rows and counts."""

    def run(url, mode, source, *, sampling=None, cache=None, most=8, share=0.0, retries=0, few=2):
        builder = build_prompts("selfalign", few_shots, mode, few, selection=request.param, permutations=3)
        stage = build_stage(builder, sampling or Sampling(1, 0.7, 300), "selfalign", few_shots, "m@1")
        out, dropped = tmp_path / f"{mode[0]}.out", tmp_path / f"{mode[0]}.dropped"
        settings = ClientConfig(max_in_flight=most, max_retries=retries)
        with open_client([url], "base", identity="m@1", cache=cache, settings=settings) as client:
            counts = run_stage(stage, client, source, out, dropped, max_failed_share=share)
        return list(read_jsonl(out)), list(read_jsonl(dropped)), counts.to_json()

    return run


def rows_to(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_three_stages_make_records_of_records(start_double, run, seeds, tmp_path):
    url = start_double()
    concepts, _, _ = run(url, "S->C", seeds(30))
    assert [row["index"] for row in concepts] == list(range(30))
    assert all(isinstance(row["concepts"], list) and row["concepts"] for row in concepts)
    instructions, _, _ = run(url, "C->I", rows_to(tmp_path / "c", concepts))
    sampling = Sampling(4, 0.7, 300)
    responses, _, counts = run(url, "I->R", rows_to(tmp_path / "i", instructions), sampling=sampling)
    assert {"seed", "index", "concepts", "instruction", "prompt", "fingerprint", "parsing_result"} == set(
        responses[0]
    )
    assert responses[0]["prompt"].endswith(f"{instructions[0]['instruction']}\n\n### Response")
    assert all(len(row["parsing_result"]) == 4 for row in responses)
    assert counts["extra"] == {"choices": 120, "choices_usable": 120}


def test_bytes_do_not_depend_on_concurrency_or_shards(start_double, run, seeds, tmp_path):
    url = start_double("--slots", 4, "--token-ms", 0.2)
    whole, _, _ = run(url, "S->C", seeds(40))
    one_by_one, _, _ = run(url, "S->C", seeds(40), most=1)
    lines = seeds(40).read_text().splitlines(keepends=True)
    parts = []
    for start in range(0, 40, 13):
        (tmp_path / "part").write_text("".join(lines[start : start + 13]))
        parts += run(url, "S->C", tmp_path / "part")[0]
    assert whole == one_by_one == parts


def test_lineage_grows_where_there_is_one(start_double, run, tmp_path):
    seed = {"seed": "def f(x):\n    return x", "index": 5, "lineage": {"seed": {"package": "p"}}}
    ((row,), _, _) = run(start_double(), "S->C", rows_to(tmp_path / "s", [seed]))
    assert row["lineage"]["seed"] == {"package": "p"}
    facts = row["lineage"]["concepts"]
    assert facts["model"] == "m@1"
    assert facts["recipe"] == "selfalign"
    assert facts["request_seed"] == 3407 + 5
    assert len(facts["few_shots"]) == 2


def test_cut_answers_are_dropped_and_counted(start_double, run, seeds):
    rows, dropped, counts = run(start_double(), "S->C", seeds(20), sampling=Sampling(1, 0.7, 7))
    assert counts["dropped"] == {"cut": len(dropped)}
    assert counts["extra"]["choices_cut"] == len(dropped) > 0
    assert len(rows) + len(dropped) == counts["in"] == 20
    assert {row["reason"] for row in dropped} == {"cut"}


def test_too_many_failures_fail_the_job_and_few_do_not(start_double, run, seeds, tmp_path):
    url = start_double("--fault", "server_error=0.3")
    with pytest.raises(InfrastructureError, match=r"requests have failed permanently.*record \d+: http_500"):
        run(url, "S->C", seeds(40), cache=tmp_path / "j")
    url = start_double("--fault", "server_error=0.3")
    rows, dropped, counts = run(url, "S->C", seeds(40), share=1.0)
    assert counts["dropped"] == {"request_failed": len(dropped)}
    assert len(rows) + len(dropped) == 40
    assert dropped[0]["detail"].startswith("http_500: out of luck")


def test_several_samples_need_a_field_for_them(few_shots):
    builder = build_prompts("selfalign", few_shots, "S->C", 2)
    with pytest.raises(ConfigError, match="n is 2, but the prompt template has no field"):
        build_stage(builder, Sampling(2, 0.7, 10), "selfalign", few_shots, "m")


def test_command(start_double, seeds, few_shots, tmp_path, monkeypatch):
    out, counts, metrics = (tmp_path / name for name in ("o", "c", "m"))
    arguments = ["generate", "--mode", "S->C", "--model", "base", "--few-shots", str(few_shots)]
    arguments += [
        "--completion-cache",
        str(tmp_path / "j"),
        "--counts",
        str(counts),
        "--metrics",
        str(metrics),
    ]
    monkeypatch.setenv("OPENAI_BASE_URL", start_double())
    ran = CliRunner().invoke(build_app(), [*arguments, str(seeds(10)), str(out)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(counts.read_text())["out"] == 10
    assert json.loads(metrics.read_text())["answers"] == 10
    # Again, without any server: the completion cache answers.
    monkeypatch.delenv("OPENAI_BASE_URL")
    again = CliRunner().invoke(build_app(), [*arguments, str(seeds(10)), str(tmp_path / "o2")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "o2").read_bytes() == out.read_bytes()


def test_every_sampling_option_of_the_command_is_in_the_request(scripted_server, seeds, few_shots, tmp_path):
    server = scripted_server(lambda _: completion(" loops, recursion"))
    sampling = [
        "--temperature",
        "0.4",
        "--max-new-tokens",
        "77",
        "--frequency-penalty",
        "0.3",
        "--seed",
        "11",
    ]
    arguments = ["generate", "--mode", "S->C", "--model", "base", "--few-shots", str(few_shots), *sampling]
    arguments += ["--endpoint", server.url, str(seeds(1)), str(tmp_path / "out")]
    ran = CliRunner().invoke(build_app(), arguments)
    assert ran.exit_code == 0, ran.output
    body = server.bodies[-1]
    assert {name: body[name] for name in ("temperature", "max_tokens", "frequency_penalty", "seed", "n")} == {
        "temperature": 0.4,
        "max_tokens": 77,
        "frequency_penalty": 0.3,
        "seed": 11,
        "n": 1,
    }


def run_stage_against(server, source, few_shots, tmp_path, recipe="selfalign", share=0.0):
    stage = build_stage(
        build_prompts(recipe, few_shots, "S->C", 2), Sampling(1, 0.7, 300), recipe, few_shots, "m@1"
    )
    settings = ClientConfig(max_retries=0)
    out, dropped = tmp_path / "out", tmp_path / "dropped"
    with open_client([server.url], "base", identity="m@1", cache=None, settings=settings) as client:
        counts = run_stage(stage, client, source, out, dropped, max_failed_share=share, live=False)
    return list(read_jsonl(out)), list(read_jsonl(dropped)), counts


def test_a_record_that_the_server_refuses_is_dropped_with_the_servers_words(
    scripted_server, seeds, few_shots, tmp_path
):
    def reply(body):
        return error(400, "the prompt is too long") if "def f3(" in body["prompt"] else completion(" a, b")

    rows, [dropped], counts = run_stage_against(scripted_server(reply), seeds(12), few_shots, tmp_path)
    assert [row["index"] for row in rows] == [i for i in range(12) if i != 3]
    assert (dropped["index"], dropped["reason"]) == (3, "request_refused")
    assert dropped["detail"] == "http_400: the prompt is too long"
    assert counts.dropped == {"request_refused": 1}


def test_a_server_that_refuses_every_record_fails_the_stage_with_its_words(
    scripted_server, seeds, few_shots, tmp_path
):
    server = scripted_server(lambda _: error(400, "frequency_penalty must be in [-2, 2]"))
    with pytest.raises(
        InfrastructureError,
        match=r"rejected all 5 requests; the first: record 0: http_400: frequency_penalty must be",
    ):
        run_stage_against(server, seeds(5), few_shots, tmp_path, share=1.0)
    assert not (tmp_path / "out").exists()


def test_a_recipe_may_have_more_stop_strings_than_the_api_takes(
    scripted_server, seeds, few_shots, tmp_path, root
):
    stops = ["## Example", "STOP 1", "STOP 2", "STOP 3", "STOP 4"]
    text = (root / "prompts/templates/selfalign.yaml").read_text()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text.replace('stop: ["## Example"]', f"stop: {json.dumps(stops)}"))
    server = scripted_server(lambda _: completion(" loops, slicing\n\nSTOP 4 and so on\n\n## Example 2"))
    ((row,), _, _) = run_stage_against(server, seeds(1), few_shots, tmp_path, recipe=recipe)
    assert row["concepts"] == ["loops", "slicing"]
    assert server.bodies[0]["stop"] == stops[:4]
