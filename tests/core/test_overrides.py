import pytest

from selfalign.core.config import load_config
from selfalign.core.config.files import overrides_of, with_types


def test_nested_values_of_the_command_line_get_their_types_and_the_rest_is_left_alone():
    merged = {
        "run": "12",
        "seeds": {"count": "3", "sources": {"packages": ["toolz==1.0.0"]}},
        "curation": {"diversify_names": "true", "max_rows": "null", "seed": 5},
        "report": {"price_per_hour": "2.5"},
        "model": {"revision": "0123abc"},
    }
    overrides = {
        "run": "12",
        "seeds": {"count": "3"},
        "curation": {"diversify_names": "true", "max_rows": "null"},
        "report": {"price_per_hour": "2.5"},
        "model": {"revision": "0123abc"},
    }
    assert with_types(merged, overrides) == {
        "run": "12",
        "seeds": {"count": 3, "sources": {"packages": ["toolz==1.0.0"]}},
        "curation": {"diversify_names": True, "max_rows": None, "seed": 5},
        "report": {"price_per_hour": 2.5},
        "model": {"revision": "0123abc"},
    }


def test_lists_and_sections_in_lists():
    given = {
        "evaluation": {"benchmarks": [{"name": "humaneval", "n": "2"}]},
        "report": {"compare": ["a", "b"]},
    }
    found = with_types(given, given)
    assert found["evaluation"]["benchmarks"] == [{"name": "humaneval", "n": 2}]
    assert found["report"]["compare"] == ["a", "b"]
    load_config(found)


@pytest.mark.parametrize("text", ["yes", "[", "", "nan-x", "1e"])
def test_text_stays_text(text):
    assert with_types({"a": {"b": text}}, {"a": {"b": text}}) == {"a": {"b": text}}


def test_the_overrides_of_a_section_are_those_at_its_place():
    config = {"run": "a", "one": {"seeds": {}}, "two": {"three": {"seeds": {}}}, "four": {}}
    overrides = {"one": {"seeds": {"count": "1"}}, "two": {"three": {"seeds": {"count": "2"}}}}
    assert overrides_of(config, config, overrides) is overrides
    assert overrides_of(config["one"], config, overrides) == {"seeds": {"count": "1"}}
    assert overrides_of(config["two"]["three"], config, overrides) == {"seeds": {"count": "2"}}
    assert overrides_of(config["four"], config, overrides) == {}
    assert overrides_of({"seeds": {}}, config, overrides) == {}  # as equal as it may be
