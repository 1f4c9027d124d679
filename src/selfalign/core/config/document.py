"""The documented default ``config.yaml`` and the JSON Schema, both generated from the models."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from selfalign.core.config import Config
from selfalign.core.config.base import RERUNS_NOTHING, description_of
from selfalign.core.config.paths import Existing, Expanded

WIDTH = 110
DIALECT = "https://json-schema.org/draft/2020-12/schema"
HEAD = """\
# Default configuration: the whole pipeline on a laptop, with a model from a PyPI wheel.
# Generated from the models in src/selfalign/core/config/ by `make generated`. Other configurations are in
# presets/; apply them over this one with --configfile.
"""

LONGEST_DEFAULT = 80
REFERENCE_HEAD = """\
# Configuration

Every key, with its default (of the embedded build for laptops), its type and its description. Generated from the models in
`src/selfalign/core/config/` by `make generated`. Unknown keys and invalid values are rejected before anything runs. Put the keys that
you change into a file of your own, and pass it with `--configfile`.

A relative path is relative to the working directory. A file that may come with the workflow (`seeds.sources.lock`, `seeds.judge.prompt`,
`generation.prompt_template`, `generation.few_shots`, `training.accelerate`) is searched for there first and then beside the workflow's
`Snakefile`. In every path, `~` and environment variables (`$SCRATCH`, `${SCRATCH}`) are expanded; an unset variable is an error. All files
that the configuration names must exist before anything runs.
"""


def default_yaml() -> str:
    """Return the default configuration as YAML, every key with its description as a comment."""
    return HEAD + "".join(_section_lines(Config, Config().model_dump(mode="json"), depth=0))


def schema_json() -> str:
    """Return the JSON Schema of the configuration."""
    schema = {"$schema": DIALECT, **Config.model_json_schema()}
    for section in (schema, *schema["$defs"].values()):
        for field in section.get("properties", {}).values():
            if field.pop("runtime_only", False):
                field["description"] = f"{field['description']} {RERUNS_NOTHING}"
    return json.dumps(schema, indent=2) + "\n"


def reference_markdown() -> str:
    """Return a page with every key of the configuration: default, type and description."""
    lines = [REFERENCE_HEAD]
    for name, field in Config.model_fields.items():
        section = _section_of(field.annotation)
        if section is None:
            lines += [f"\n## {name}\n", f"\n{description_of(field)}\n", *_table([(name, field)])]
        else:
            lines += _reference_lines(name, section, description_of(field))
    return "".join(lines)


def _reference_lines(name: str, model: type[BaseModel], description: str) -> list[str]:
    """Return the lines about a section: its keys, then its sections."""
    plain, deeper = [], []
    for key, field in model.model_fields.items():
        section = _section_of(field.annotation)
        # A list of sections is a key with a value, and its items are described below.
        if section is None or get_origin(field.annotation) is list:
            plain.append((key, field, section))
        if section is not None:
            deeper.append((key, field, section))
    level = "#" * min(4, 2 + name.count("."))
    lines = [f"\n{level} {name}\n", f"\n{description}\n"]
    if plain:
        lines += _table([(f"{name}.{key}", field) for key, field, _ in plain])
    for key, field, section in deeper:
        lines += _reference_lines(f"{name}.{key}", section, description_of(field))
    return lines


def _table(rows: Sequence[tuple[str, FieldInfo]]) -> list[str]:
    lines = ["\n| key | default | type | description |\n|---|---|---|---|\n"]
    for key, field in rows:
        shown = _default_text(field)
        cells = [f"`{key}`", f"`{shown}`", _allowed_text(field), description_of(field)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return lines


def _default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    text = json.dumps(_plain(field.get_default(call_default_factory=True)), ensure_ascii=False)
    return text if len(text) <= LONGEST_DEFAULT else "see config.yaml"


def _allowed_text(field: FieldInfo) -> str:
    """Return the type of a value and its bounds, in words."""
    kind = _path_text(field.metadata) or _type_text(field.annotation)
    bounds = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([kind, *bounds])


def _path_text(metadata: Sequence[Any]) -> str | None:
    """Return the type of a path, by the annotations of its type; None if the value is not a path."""
    if Expanded not in metadata:
        return None
    named = any(isinstance(each, Existing) and each.only for each in metadata)
    return "name or path" if named else "path"


def _type_text(annotation: Any) -> str:
    names = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null"}
    names |= {dict[str, str]: "keys with values"}
    if annotation in names:
        return names[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _path_text(annotation.__metadata__) or _type_text(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is list:
        return f"list of {_type_text(arguments[0])}"
    if origin in (Union, UnionType):
        return " or ".join(map(_type_text, arguments))
    return "keys with values" if isinstance(annotation, type) else str(annotation)


def _plain(value: Any) -> Any:
    """Return a default as JSON can write it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _section_lines(model: type[BaseModel], values: dict[str, Any], depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, field in model.model_fields.items():
        if depth == 0:
            lines.append("\n")
        comment = textwrap.wrap(description_of(field), WIDTH - len(indent) - 2)
        lines += [f"{indent}# {line}\n" for line in comment]
        section = _section_of(field.annotation)
        if section is not None and isinstance(values[name], dict):
            lines.append(f"{indent}{name}:\n")
            lines += _section_lines(section, values[name], depth + 1) or [f"{indent}  {{}}\n"]
        else:
            text = yaml.safe_dump({name: values[name]}, sort_keys=False, allow_unicode=True, width=WIDTH)
            lines.append(textwrap.indent(text, indent))
    return lines


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section model of a field's annotation (also inside ``Section | None``), if it is one."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
