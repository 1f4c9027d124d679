import pytest
from tests.tiny import write_tiny_checkpoint

from selfalign.core.config.curation import LengthConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.filtering import Drop, Keep
from selfalign.curate.sanitize import length_filter, sanitize_file


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tiny")
    write_tiny_checkpoint(directory)
    return directory


def test_long_and_short_examples_go(checkpoint):
    row = {"instruction": "Add.", "response": "a " * 50}
    outcome = length_filter(LengthConfig(max_tokens=10), checkpoint, "own")(row)
    assert isinstance(outcome, Drop)
    tokens = outcome.detail["tokens"]
    assert outcome.reason == "too_long"
    assert isinstance(
        length_filter(LengthConfig(min_tokens=tokens, max_tokens=tokens), checkpoint, "own")(row), Keep
    )
    assert length_filter(LengthConfig(min_tokens=tokens + 1), checkpoint, "own")(row) == Drop(
        "too_short", {"tokens": tokens}
    )


@pytest.mark.parametrize("layout", ["own", "reference"])
def test_the_training_encoding_has_as_many_tokens(checkpoint, layout):
    from selfalign.train.data import encode, load_format

    row = {"instruction": "Add two numbers.", "response": "```python\ndef f(a, b):\n    return a + b\n```"}
    (example,) = encode([row], load_format(checkpoint, layout), 10_000).examples
    outcome = length_filter(LengthConfig(max_tokens=1), checkpoint, layout)(row)
    assert isinstance(outcome, Drop)
    assert outcome.detail["tokens"] == len(example["input_ids"])


@pytest.mark.parametrize("layout", ["own", "reference"])
def test_prompts_that_the_training_would_refuse_go(checkpoint, layout):
    from selfalign.train.data import encode, load_format

    chat = load_format(checkpoint, layout)
    row = {"instruction": "Add two numbers. " * 9, "response": "a + b"}
    tokens = len(chat.prompt_ids(row["instruction"]))
    fitting = length_filter(LengthConfig(), checkpoint, layout, tokens + 1)
    assert fitting(row) == Keep(row)
    encode([row], chat, tokens + 1)
    assert length_filter(LengthConfig(), checkpoint, layout, tokens)(row) == Drop(
        "instruction_too_long", {"tokens": tokens}
    )
    with pytest.raises(DataError, match=f"found {tokens}"):
        encode([row], chat, tokens)


def test_a_missing_tokenizer_is_one_line(tmp_path):
    with pytest.raises(DataError, match="the tokenizer cannot be read"):
        length_filter(LengthConfig(max_tokens=1), tmp_path, "own")
    with pytest.raises(ConfigError, match="needs the directory of the model"):
        sanitize_file("raw", [], tmp_path / "o.jsonl", length=LengthConfig(max_tokens=1))
