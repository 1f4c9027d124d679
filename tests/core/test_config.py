import re

import pytest
import yaml

from selfalign.core.config import Config, load_config
from selfalign.core.config.base import REPLACED
from selfalign.core.config.document import _section_of, default_yaml, schema_json
from selfalign.core.config.rounds import LaterRound
from selfalign.core.errors import ConfigError


def test_the_documented_default_is_the_default(root):
    written = (root / "config.yaml").read_text()
    assert written == default_yaml(), "run `make generated`"
    assert load_config(yaml.safe_load(written)) == Config()


def test_the_schema_is_that_of_the_models(root):
    assert (root / "schemas/config.schema.json").read_text() == schema_json(), "run `make generated`"


def test_every_key_is_described():
    def sections(model):
        yield model
        for field in model.model_fields.values():
            if (section := _section_of(field.annotation)) is not None:
                yield from sections(section)

    undescribed = [
        f"{section.__name__}.{name}"
        for section in sections(Config)
        for name, field in section.model_fields.items()
        if not field.description
    ]
    assert undescribed == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"runn": "x"}, "unknown key 'runn'; did you mean 'run'?"),
        ({"seeds": {"cuont": 3}}, "unknown key 'seeds.cuont'; did you mean 'count'?"),
        ({"seeds": {"count": 0}}, "'seeds.count' is 0; expected greater than or equal to 1"),
        ({"seeds": {"count": "many"}}, "'seeds.count' is 'many'; expected integer"),
        (
            {"server": {"kind": "vlm"}},
            "'server.kind' is 'vlm'; expected 'vllm', 'container', 'command' or 'external'",
        ),
        ({"model": {"source": "hub"}}, "source 'hub' needs `id`"),
        ({"seeds": {"sources": {"kind": "hub"}}}, "kind 'hub' needs `files`"),
        ({"seeds": {"sources": {"files": ["a{9..1}"]}}}, "the smaller number first, found 'a{9..1}'"),
        ({"seeds": {"sources": {"files": ["a{0..20000}"]}}}, "expected at most 20000 files"),
        ({"seeds": {"sources": {"files": ["{0..999}-{0..999}"]}}}, "expected at most 20000 files"),
        ({"seeds": {"sources": {"files": ["a{0..9999}"] * 3}}}, "expected at most 20000 files, found 30000"),
        (
            {"seeds": {"sources": {"files": ["a{0,1}"]}}},
            "expected ranges of numbers in braces, as {000..143}",
        ),
        ({"seeds": {"sources": {"files": ["a{0..1"]}}}, "found 'a{0..1'"),
        ({"run": "../up"}, "'run' is '../up'"),
        ({"run": 12}, "'run' is 12; expected text; put it in quotes"),
        ({"run": True}, "'run' is True; expected text; put it in quotes"),
        (yaml.safe_load("run: 2026-11-28"), "'run' is 2026-11-28; expected text; put it in quotes"),
        ({"run": None}, "'run' is None; expected string"),
        ({"training": {"max_steps": 0}}, "'training.max_steps' is 0; expected at least 1, or -1"),
        ({"training": {"max_steps": "1e1"}}, "'training.max_steps' is 10.0; expected integer"),
        ({"training": {"seed": 10**20}}, f"'training.seed' is {10**20}; expected less than 2147483648"),
        ({"seeds": {"seed": 2**31}}, "'seeds.seed' is 2147483648; expected less than 2147483648"),
        ({"generation": {"seed": -1}}, "'generation.seed' is -1; expected greater than or equal to 0"),
        (
            {"seeds": {"count": 10**9}},
            "'seeds.count' 1000000000 in shards of 'generation.shard_size' 48 makes 20833334 shards; expected at most",
        ),
        (
            {"generation": {"responses": {"n": 6, "temperature": 0.0}}},
            "'generation.responses' is {'n': 6, 'temperature': 0.0}; n > 1 with temperature 0 would give the same",
        ),
    ],
)
def test_a_wrong_key_or_value_names_key_value_and_what_is_allowed(value, message):
    with pytest.raises(ConfigError) as error:
        load_config(value)
    assert message in str(error.value)


def test_self_tests_need_held_out_instructions():
    with pytest.raises(ConfigError) as error:
        load_config({"curation": {"self_tests": {"share": 0.0}}})
    assert str(error.value) == (
        "configuration: 'evaluation.benchmarks' contains self_tests, but 'curation.self_tests.share' is 0; expected a share "
        "above 0 (such as 0.4), or 'evaluation.benchmarks' without self_tests"
    )
    others = {"benchmarks": [{"name": "humaneval"}]}
    assert not load_config(
        {"curation": {"self_tests": {"share": 0.0}}, "evaluation": others}
    ).curation.self_tests.share


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"execution": {"matrix": {"enabled": False}}}, "expected 'execution.matrix.enabled' true"),
        ({"generation": {"responses": {"n": 1}}}, "expected at least 2 responses per instruction"),
        (
            {"curation": {"consensus": True, "responses": "random"}},
            "conflicts with 'curation.responses' random",
        ),
        (
            {"curation": {"consensus": True, "duplicates": {"per_instruction": 2}}},
            "conflicts with 'curation.duplicates.per_instruction' 2; expected 1",
        ),
    ],
)
def test_consensus_needs_its_matrix(sections, problem):
    whole = {"execution": {"matrix": {"enabled": True}}, "curation": {"consensus": True}}
    assert load_config(whole).curation.consensus
    with pytest.raises(ConfigError, match=problem):
        load_config({**whole, **sections})


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"execution": {"matrix": {"enabled": False}}}, "'execution.matrix.enabled' is false; expected true"),
        ({"curation": {"responses": "random"}}, "'curation.responses' is random; expected passing"),
        ({"training": {"method": "lora"}}, "'training.method' is lora; expected full"),
        ({"training": {"accelerate": "fsdp"}}, "'training.accelerate' is fsdp; expected auto, cpu, gpu, ddp"),
        (
            {"server": {"kind": "external", "endpoints": ["http://example.org/v1"]}},
            "servers of 'server.kind' external cannot be given the model trained on pairs",
        ),
    ],
)
def test_preferences_are_refused_where_they_cannot_be_trained_on(sections, problem):
    whole = {"execution": {"matrix": {"enabled": True}}, "preferences": {"enabled": True}}
    assert load_config(whole).preferences.enabled
    with pytest.raises(ConfigError) as error:
        load_config({**whole, **sections})
    assert str(error.value).startswith("configuration: 'preferences.enabled' is true, but ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    load_config({**sections, "preferences": {"enabled": False}})


def test_a_later_round_has_no_preferences():
    whole = {"execution": {"matrix": {"enabled": True}}, "preferences": {"enabled": True}, "rounds": 2}
    configuration = load_config(whole).model_dump()
    assert not LaterRound(2, configuration)["preferences"]["enabled"]


def leaves(value, prefix=""):
    """Yield key and default of every key that is no section."""
    for key, default in value.items():
        if isinstance(default, dict) and default:
            yield from leaves(default, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", default


@pytest.mark.parametrize("key", [key for key, _ in leaves(Config().model_dump(mode="json"))])
def test_no_key_accepts_what_no_stage_can_use(key):
    *sections, last = key.split(".")
    for unusable in (10**12, -(10**20), float("inf"), float("nan"), "a\0b", [10**12], ["a\0b"]):
        value: dict = {last: unusable}
        for section in reversed(sections):
            value = {section: value}
        with pytest.raises(ConfigError, match=rf"'{key}(\.0)?' |model' is|whole"):
            load_config(value)


@pytest.mark.parametrize(("old", "instead"), REPLACED.items())
def test_a_key_of_an_earlier_version_names_what_took_its_place(old, instead):
    value = {}
    *sections, key = old.split(".")
    inner = value
    for section in sections:
        inner[section] = {}
        inner = inner[section]
    inner[key] = 1
    if sections == ["evaluation", "benchmarks"]:
        value = {"evaluation": {"benchmarks": [{"name": "humaneval", key: 1}]}}
    with pytest.raises(ConfigError) as error:
        load_config(value)
    assert f"no longer exists; {instead}" in str(error.value)
    new = re.search(r"'([\w.]+)'", instead)
    assert new is not None
    model = Config
    for part in new[1].split("."):
        field = model.model_fields[part]
        model = _section_of(field.annotation) or model


@pytest.mark.parametrize(
    ("text", "value"), [("1e-5", 1e-5), ("2.5E1", 25.0), (".5e0", 0.5), ("1.e0", 1.0), ("+1e1", 10.0)]
)
def test_a_number_with_an_exponent_is_a_number_where_one_is_expected(text, value):
    """YAML 1.1 reads these as text."""
    assert yaml.safe_load(text) == text
    config = load_config(
        yaml.safe_load(f"training: {{learning_rate: {text}}}\nrun: 1e5\nmodel: {{name: {text}}}")
    )
    assert config.training.learning_rate == value
    assert (config.run, config.model.name) == ("1e5", text)
    benchmark = {"name": "humaneval", "temperature": text}
    if value <= 2:
        found = load_config({"evaluation": {"benchmarks": [benchmark]}})
        assert found.evaluation.benchmarks[0].temperature == value


@pytest.mark.parametrize("text", ["1e", "e5", "0x1e5", "1e5x", " 1e5", "many", "12", "1_0e5"])
def test_other_text_is_no_number(text):
    with pytest.raises(ConfigError, match=r"'training\.learning_rate' is .*; expected number"):
        load_config({"training": {"learning_rate": text}})


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("a.parquet", ["a.parquet"]),
        ("d-{00009..00011}-of-00144", ["d-00009-of-00144", "d-00010-of-00144", "d-00011-of-00144"]),
        ("{9..11}", ["9", "10", "11"]),
        ("{09..11}", ["09", "10", "11"]),
        ("{0..1}/{8..9}", ["0/8", "0/9", "1/8", "1/9"]),
    ],
)
def test_numbered_files_are_named_by_a_range_as_in_a_shell(name, names):
    sources = {"kind": "hub", "files": [name]}
    config = load_config({"seeds": {"sources": sources}})
    assert config.seeds.sources.files == names
    assert load_config(config.model_dump()) == config


def test_a_revision_that_is_not_given_is_main():
    config = load_config(
        {
            "model": {"source": "hub", "id": "a/b", "revision": None},
            "seeds": {"sources": {"kind": "hub", "files": ["a.parquet"]}},
        }
    )
    assert (config.model.revision, config.seeds.sources.revision) == ("main", "main")
    assert Config().model.revision is None
