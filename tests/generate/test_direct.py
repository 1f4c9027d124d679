"""Straight from snippet to instruction, the paper's ablation."""

import pytest

from selfalign.core.errors import ConfigError
from selfalign.generate.prompts import build_prompts


@pytest.mark.parametrize("prompt_template", ["selfalign", "selfalign-small"])
def test_the_prompt_shows_the_snippet_and_no_concepts(root, prompt_template):
    builder = build_prompts(prompt_template, root / "prompts/few_shots.txt", "S->I", 2)
    prompt = builder.build({"seed": "def f(x):\n    return x"}, 0).text
    assert prompt.startswith("Write one clear, self-contained programming task that each snippet inspires.")
    assert "concepts" not in prompt.split("## Example 1")[0]
    assert prompt.endswith("### Snippet\ndef f(x):\n    return x\n\n### Instruction")


def test_the_other_modes_do_not_see_its_text(root):
    for prompt_template in ("selfalign", "starcoder2-instruct"):
        builder = build_prompts(prompt_template, root / "prompts/few_shots.txt", "S->C", 1)
        assert "inspires" not in builder.build({"seed": "x"}, 0).text


def test_few_shots_without_its_text_say_so(root, tmp_path):
    text = (root / "prompts/few_shots.txt").read_text()
    begin, end = text.index("### System: S->I"), text.index("### Example 1")
    (tmp_path / "f.txt").write_text(text[:begin] + text[end:])
    assert build_prompts("selfalign", tmp_path / "f.txt", "C->I", 1)
    with pytest.raises(ConfigError, match=r"no system text under '### System: S->I'; add one"):
        build_prompts("selfalign", tmp_path / "f.txt", "S->I", 1)
