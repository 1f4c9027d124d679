import pytest
import yaml

from selfalign.core.config import Config, load_config
from selfalign.core.config.document import _section_of, default_yaml, schema_json
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
        ({"server": {"kind": "vlm"}}, "'server.kind' is 'vlm'; expected 'vllm', 'container'"),
        ({"model": {"source": "hub"}}, "source 'hub' needs both `id` and `revision`"),
        ({"run": "../up"}, "'run' is '../up'"),
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
