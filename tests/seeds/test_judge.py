from __future__ import annotations

import math

import pytest

from selfalign.client import Choice, Result
from selfalign.core.config.seeds import JudgeConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.seeds.judge import judge_file, judge_unit, load_prompt, vote, weigh

PROMPT = JudgeConfig().prompt
SEED = 'def f(x):\n    """Doc."""\n    return x\n'


class FakeClient:
    """Answers in turn; None is a request that failed permanently."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.requests = []

    def complete(self, requests):
        for request, answer in zip(requests, self.answers, strict=False):
            self.requests.append(request)
            if answer is None:
                yield Result(request, (), {}, "refused")
            else:
                yield Result(request, (Choice(answer, "stop"),), {})


def texts(*values: str) -> list[Choice]:
    return [Choice(value, "stop") for value in values]


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([" Yes"], True),
        ([" yes, it"], True),
        ([" No"], False),
        ([" Yes. No"], False),
        ([" Maybe"], False),
        ([" Yesterday"], False),
        ([""], False),
        ([" Yes", " No", " Yes"], True),
        ([" Yes", " No"], False),
    ],
)
def test_more_yes_than_no_keeps(answers, kept):
    assert (vote(texts(*answers)) is None) is kept


@pytest.mark.parametrize(
    ("top", "kept"),
    [
        ({" Yes": math.log(0.5), " No": math.log(0.3)}, True),
        ({" Yes": math.log(0.3), "yes": math.log(0.3), " No": math.log(0.4)}, True),
        ({" Yes": math.log(0.4), " No": math.log(0.4)}, False),
        ({" The": math.log(0.9)}, False),
    ],
)
def test_the_likelier_first_token_decides(top, kept):
    assert (weigh([Choice("", "length", {"top_logprobs": [top]})]) is None) is kept


def test_a_server_without_log_probabilities_is_named():
    with pytest.raises(InfrastructureError, match="returned no log probabilities"):
        weigh(texts(" Yes"))


def test_the_prompt_shows_both_answers_and_ends_with_the_seed():
    prompt = load_prompt(PROMPT)
    text = prompt.render(SEED)
    assert {example.answer for example in prompt.examples} == {"Yes", "No"}
    assert len(prompt.examples) == 7
    assert text.endswith(f"```python\n{SEED.rstrip()}\n```\nAnswer:")
    assert text.count("Answer: Yes\n") == 4
    assert prompt.render("other").startswith(text[: text.index(SEED.rstrip())])


def test_a_prompt_with_a_wrong_key_is_refused(tmp_path):
    (tmp_path / "judge.yaml").write_text("introduction: x\nlayout: y\nstop: []\nexample: []\n")
    with pytest.raises(ConfigError, match="unknown key"):
        load_prompt(tmp_path / "judge.yaml")


def run(tmp_path, client, **more):
    write_jsonl(tmp_path / "in", [{"seed": SEED, "lineage": {}}, {"seed": SEED + "#"}, {"seed": SEED + "##"}])
    return judge_file(
        tmp_path / "in",
        client,
        JudgeConfig(),
        "model@1",
        out=tmp_path / "out",
        dropped=tmp_path / "dropped",
        **more,
    )


def test_verdicts_are_written_in_order(tmp_path):
    client = FakeClient(" Yes", " No", " Yes")
    counts = run(tmp_path, client, max_failed_share=0)
    kept = list(read_jsonl(tmp_path / "out"))
    assert [row["seed"] for row in kept] == [SEED, SEED + "##"]
    assert kept[0]["lineage"]["judge"]["model"] == "model@1"
    assert "lineage" not in kept[1]
    [dropped] = read_jsonl(tmp_path / "dropped")
    assert (dropped["reason"], dropped["detail"]) == ("judged_no", {"yes": 0, "no": 1})
    assert (counts.records_in, counts.records_out) == (3, 2)
    assert {(r.temperature, r.max_tokens, r.n) for r in client.requests} == {(0.0, 5, 1)}


def test_a_failed_request_is_no_verdict(tmp_path):
    with pytest.raises(InfrastructureError, match="1 of 3 requests have failed permanently"):
        run(tmp_path, FakeClient(" Yes", None, " Yes"), max_failed_share=0.1)
    assert not (tmp_path / "out").exists()
    counts = run(tmp_path, FakeClient(" Yes", None, " Yes"), max_failed_share=0.5)
    assert counts.dropped == {"request_failed": 1}


def test_a_rerun_that_the_cache_answers_starts_no_server(cached, tmp_path):
    rows = tmp_path / "rows.jsonl"
    write_jsonl(rows, ({"seed": SEED.replace("Doc", f"Doc {n}"), "path": f"{n}.py"} for n in range(12)))

    def job(config, checkpoint):
        paths = {name: tmp_path / name for name in ("out", "dropped", "counts")}
        judge_unit(config, rows, checkpoint, **paths)
        return [paths["out"], paths["counts"]]

    cached(job)
