"""Prompt templates: the layout of a few-shot file, of prompts, and of completions. A template is data, not code.

A prompt template with other tags, modes or categories is another YAML file in ``prompts/templates/`` and needs no code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, model_validator

from selfalign.core.config.base import Section, validate_section
from selfalign.core.errors import ConfigError


class SectionLayout(Section):
    """One section of an example in the few-shot file."""

    name: str = Field(description="Name under which `parts` refer to it.")
    marker: str = Field(description="Line at which the section begins.")
    strip: Literal["both", "end"] = Field(
        "both", description="White space to strip from the text: at both ends, or at the end only."
    )


class FewShotLayout(Section):
    """The layout of a few-shot file: system texts under their headers, then examples made of sections."""

    system_header: str = Field(description="Header of a system text; {mode} stands for the mode.")
    example_header: str = Field(description="Header of an example; {number} stands for its number, from 1.")
    sections: list[SectionLayout] = Field(description="Sections of an example, in order.")
    property_section: str = Field(description="Name of the section that consists of `key: value` lines.")
    properties: list[str] = Field(description="Keys of the property section, in the order of the file.")
    list_property: str = Field("concepts", description="Property whose value is a comma-separated list.")


class Part(Section):
    """A header and the value under it, in a prompt.

    In an example, the value is the text of `section`, the property `property`, or a block of `key: value` lines for
    `properties`. In the query, it is the field `field` of the record, or a block of the drawn properties, the language and
    `field` of the record.
    """

    header: str = Field("", description="Line above the value; not used in a conversation (`turns`).")
    section: str | None = Field(None, description="Use the text of this section of the example.")
    template: str | None = Field(
        None, description="Format string of the value, with names of sections of the example in braces."
    )
    property: str | None = Field(None, description="Use this property of the example.")
    properties: list[str] | None = Field(None, description="Use a block of these properties, in this order.")
    field: str | None = Field(
        None, description="Field of the record that contains the value, or the list property."
    )


class Draw(Section):
    """A property whose value is drawn at random for each record."""

    property: str = Field(description="Name of the property.")
    choices: list[str] = Field(min_length=1, description="Possible values, drawn with equal probability.")


class ModeLayout(Section):
    """One mode: the input and the output of a generation stage."""

    stage: Literal["concepts", "instructions", "responses"] = Field(
        description="Generation stage of the mode."
    )
    needs: list[str] = Field([], description="Sections that must not be empty in the examples of this mode.")
    draws: list[Draw] = Field(
        [], description="Properties drawn per record, in this order, before the examples."
    )
    query: Part = Field(description="Input of the mode.")
    answer: Part = Field(description="Output of the mode, which the model completes.")
    output: str = Field(description="Field of the record for the output.")
    split: str | None = Field(None, description="Separator of the output, if it is a list.")
    many: str | None = Field(
        None, description="Field of the record for the list of outputs, if a request has several samples."
    )


class ResponseLayout(Section):
    """The layout of a response, as needed to parse it."""

    sections: list[str] = Field(description="Tags, each once, in this order.")
    implementation: str | None = Field(
        default=None, description="Tag of the section that holds the code; null: everything before the tests."
    )
    tests: str = Field(description="Tag of the section that holds the tests.")

    @model_validator(mode="after")
    def _of_sections(self) -> ResponseLayout:
        for name, tag in (("implementation", self.implementation), ("tests", self.tests)):
            if tag is not None and tag not in self.sections:
                raise ValueError(f"'{name}': expected one of {', '.join(self.sections)}, found '{tag}'")
        return self

    @property
    def prose(self) -> list[str]:
        """Tags of the sections besides implementation and tests; closing tags (``</tests>``) open no section."""
        code = (self.implementation, self.tests)
        return [tag for tag in self.sections if tag not in code and not tag.startswith("</")]


class TurnsLayout(Section):
    """The layout of a prompt as a conversation, for instruction-tuned models: the chat format that the model knows.

    The system text is followed by a turn of the user (query) and one of the assistant (answer) for each example, and
    by the query of the record. The prompt ends where the assistant's text begins.
    """

    system: str = Field(description="The system text; {text} stands for it.")
    user: str = Field(description="A query; {text} stands for it.")
    assistant: str = Field(description="An answer; {text} stands for it.")

    @model_validator(mode="after")
    def _with_text(self) -> TurnsLayout:
        for name, turn in self:
            if turn.count("{text}") != 1:
                raise ValueError(f"'{name}': expected {{text}} once, found {turn!r}")
        return self


class PromptTemplate(Section):
    """A prompt template, as read from a YAML file."""

    name: str = Field(description="Short name, stored in the lineage of every record.")
    few_shots: FewShotLayout = Field(description="Layout of the few-shot file.")
    prompt_example_header: str = Field(
        "",
        description="Header of an example in a prompt; {number} from 1. Not used in a conversation (`turns`).",
    )
    turns: TurnsLayout | None = Field(
        None,
        description="Layout of prompts as conversations; null: as one document, with the headers of this template.",
    )
    stop: list[str] = Field(
        description="Stop strings. The server is sent the first four (the limit of the API), and completions are cut at "
        "the others after they are received."
    )
    finish_reasons: list[str] = Field(
        ["stop", "eos_token"],
        description="Finish reasons of complete answers. An answer at the token limit (length) is dropped; with any other "
        "reason it is incomplete, and the request is retried.",
    )
    default_language: str = Field("Python", description="Language of records without a known `data_dir`.")
    languages: dict[str, str] = Field({}, description="Language by the `data_dir` of a record.")
    modes: dict[str, ModeLayout] = Field(
        description="The modes by name, as in the headers of the few-shot file."
    )
    response: ResponseLayout = Field(description="The layout of a response.")

    @model_validator(mode="after")
    def _consistent(self) -> PromptTemplate:
        if self.turns is None and not self.prompt_example_header:
            raise ValueError("give prompt_example_header, or turns")
        sections = {section.name for section in self.few_shots.sections}
        for name, mode in self.modes.items():
            for part in (mode.query, mode.answer):
                if self.turns is None and not part.header:
                    raise ValueError(f"mode '{name}': give the header of query and answer")
                sources = [part.section, part.template, part.property, part.properties]
                if sum(source is not None for source in sources) != 1:
                    raise ValueError(
                        f"mode '{name}', '{part.header}': give one of section, template, property, properties"
                    )
                if part.section is not None and part.section not in sections:
                    raise ValueError(f"mode '{name}': no section is called '{part.section}'")
                for each in re.findall(r"{(\w+)}", part.template or ""):
                    if each not in sections:
                        raise ValueError(f"mode '{name}': no section is called '{each}'")
                named = [part.property] if part.property else part.properties or []
                for each in named:
                    if each not in self.few_shots.properties:
                        raise ValueError(f"mode '{name}': no property is called '{each}'")
        return self

    def mode_named(self, name: str) -> str:
        """Return the name of a mode.

        Args:
            name: name of the mode (``S->C``), or of a stage, for its first mode.

        Raises:
            ConfigError: there is no such mode or stage.
        """
        if name in self.modes:
            return name
        for mode, layout in self.modes.items():
            if layout.stage == name:
                return mode
        raise ConfigError(
            f"prompt template '{self.name}' has no mode '{name}'; it has {', '.join(self.modes)}"
        )


def load_prompt_template(path: str | Path) -> PromptTemplate:
    """Read a prompt-template file.

    Args:
        path: YAML file.

    Raises:
        ConfigError: the file is missing or is not a valid prompt template; the message names every wrong key.
    """
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"prompt template {path}: cannot be read ({error.strerror or error})") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"prompt template {path}: expected YAML ({' '.join(str(error).split())})") from None
    try:
        return validate_section(PromptTemplate, value)
    except ConfigError as error:
        raise ConfigError(f"prompt template {path}: {error}") from None


def find_prompt_template(name: str | Path) -> Path:
    """Return the path of a prompt-template file.

    Args:
        name: path, or name of a template in ``prompts/templates/``.

    Raises:
        ConfigError: it is neither; the message lists the names.
    """
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    bundled = Path(__file__).resolve().parents[3] / "prompts" / "templates"
    if (bundled / f"{name}.yaml").exists():
        return bundled / f"{name}.yaml"
    names = ", ".join(sorted(each.stem for each in bundled.glob("*.yaml")))
    raise ConfigError(f"prompt template '{name}' is neither a file nor one of {names}")
