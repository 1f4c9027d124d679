"""The tuned model's card with its scores."""

import pytest

from selfalign.core.errors import DataError
from selfalign.core.jsonl import write_json
from selfalign.evaluate.model_card import write_scored_card

CARD = "# A model\n\n## Scores\n\nNot known yet.\n\n## Limits\n\nRun it in a sandbox.\n"


@pytest.fixture
def summary(tmp_path):
    def score(model, value, interval):
        metrics = {"pass@1": {"value": value, "interval": interval}}
        dataset = {"version": "2021-07"}
        return {
            "model": model,
            "layout": "own",
            "title": "HumanEval",
            "dataset": dataset,
            "n": 164,
            "metrics": metrics,
        }

    comparison = {
        "title": "HumanEval",
        "layout": "own",
        "first": "base",
        "second": "tuned",
        "metrics": {"pass@1": {"difference": -7 / 164, "mcnemar": {"p_value": 0.015625}}},
    }
    scores = [score("base", 8 / 164, [0.025, 0.093]), score("tuned", 1 / 164, [0.001, 0.034])]
    write_json(tmp_path / "summary.json", {"scores": scores, "comparisons": [comparison]})
    return tmp_path / "summary.json"


def test_the_scores_come_into_their_section(tmp_path, summary):
    (tmp_path / "in.md").write_text(CARD)
    write_scored_card(tmp_path / "in.md", summary, tmp_path / "out.md")
    text = (tmp_path / "out.md").read_text()
    assert "Not known yet" not in text
    assert "| tuned | own | HumanEval | 2021-07 | 164 | pass@1 | 0.6% | 0.1% to 3.4% |\n" in text
    line = next(line for line in text.splitlines() if line.startswith("HumanEval, pass@1, layout own: "))
    assert "the tuned model differs by -4.3 points from the base model (exact McNemar" in line
    assert line.endswith("on the first sample of each task, p = 0.016).")
    assert text.startswith("# A model\n\n## Scores\n\n|")
    assert text.endswith(".\n\n## Limits\n\nRun it in a sandbox.\n")


def test_a_card_without_the_section_is_refused(tmp_path, summary):
    (tmp_path / "in.md").write_text("# A model\n")
    with pytest.raises(DataError, match=r"in.md: expected a section '## Scores'"):
        write_scored_card(tmp_path / "in.md", summary, tmp_path / "out.md")
