"""Few-shot files: system texts and few-shot examples, in the layout that a prompt template describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfalign.core.errors import DataError
from selfalign.core.prompt_template import FewShotLayout, PromptTemplate, SectionLayout


@dataclass(frozen=True)
class Example:
    """A few-shot example.

    Attributes:
        number: its number in the file, from 1.
        sections: text of each section, by name.
        properties: value of each property, by name.
    """

    number: int
    sections: dict[str, str]
    properties: dict[str, str]


@dataclass(frozen=True)
class FewShots:
    """A parsed few-shot file.

    Attributes:
        system: system text of each mode, by name.
        examples: the examples, in the order of the file.
    """

    system: dict[str, str]
    examples: tuple[Example, ...]

    def usable(self, needs: Sequence[str], numbers: Sequence[int] | None = None) -> list[Example]:
        """Return the examples that a mode can use, in the order of the file.

        Args:
            needs: names of sections that must not be empty.
            numbers: numbers of the examples to choose from; None: all.
        """
        return [
            example
            for example in self.examples
            if all(example.sections[name] for name in needs)
            and (numbers is None or example.number in numbers)
        ]


def load_few_shots(path: str | Path, prompt_template: PromptTemplate) -> FewShots:
    """Read a few-shot file.

    Args:
        path: the file.
        prompt_template: describes the file's layout.

    Raises:
        DataError: the file is missing or does not have that layout; names the example and the section.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})", file=path) from None
    except UnicodeDecodeError as error:
        raise DataError(f"expected UTF-8 text ({error.reason})", file=path) from None
    return parse_few_shots(text, prompt_template, path)


def parse_few_shots(text: str, prompt_template: PromptTemplate, file: str | Path | None = None) -> FewShots:
    """Parse the text of a few-shot file.

    Args:
        text: the text.
        prompt_template: describes the file's layout.
        file: the file, for messages.

    Raises:
        DataError: as :func:`load_few_shots`.
    """
    layout = prompt_template.few_shots
    head, bodies = _split_examples(text, layout, file)
    system = _read_system(head, prompt_template, file)
    examples = tuple(_read_example(n, body, layout, file) for n, body in enumerate(bodies, start=1))
    return FewShots(system, examples)


def _split_examples(text: str, layout: FewShotLayout, file: str | Path | None) -> tuple[str, list[str]]:
    """Split the file at the headers of its examples, which are numbered from 1 without gaps."""
    before, after = (re.escape(part) for part in layout.example_header.split("{number}"))
    headers = list(re.finditer(rf"^{before}\d+{after}[ \t]*(?:\n|\Z)", text, re.MULTILINE))
    if not headers:
        raise DataError(f"expected a line '{layout.example_header.format(number=1)}'", file=file)
    for number, header in enumerate(headers, start=1):
        expected = layout.example_header.format(number=number)
        if (found := header[0].rstrip()) != expected:
            line = text.count("\n", 0, header.start()) + 1
            raise DataError(f"line {line}: expected '{expected}', found '{found}'", file=file)
    ends = [header.start() for header in headers[1:]] + [len(text)]
    bodies = [text[header.end() : end] for header, end in zip(headers, ends, strict=True)]
    return text[: headers[0].start()], bodies


def _read_system(head: str, prompt_template: PromptTemplate, file: str | Path | None) -> dict[str, str]:
    """Return the system text of each mode; only the default mode of each stage must have one."""
    layout = prompt_template.few_shots
    found: list[tuple[int, int, str]] = []
    for mode, use in prompt_template.modes.items():
        header = layout.system_header.format(mode=mode)
        cut = _find_line(head, header)
        if cut is None:
            if prompt_template.mode_named(use.stage) != mode:
                continue
            raise DataError(f"expected a line '{header}' before the first example", file=file)
        found.append((*cut, mode))
    found.sort()
    # Headers of modes that the prompt template does not have end a system text too.
    start = re.escape(layout.system_header.partition("{")[0])
    starts = [match.start() for match in re.finditer(rf"^{start}", head, re.MULTILINE)]
    ends = [min((each for each in starts if each >= begin), default=len(head)) for _, begin, _ in found]
    return {mode: head[begin:end].strip() for (_, begin, mode), end in zip(found, ends, strict=True)}


def _read_example(number: int, body: str, layout: FewShotLayout, file: str | Path | None) -> Example:
    where = f"example {number}"
    texts: list[str] = []
    for section in layout.sections:
        cut = _find_line(body, section.marker)
        if cut is None:
            raise DataError(
                f"{where}: expected a line '{section.marker}' (after the sections before it)", file=file
            )
        texts.append(body[: cut[0]])
        body = body[cut[1] :]
    texts.append(body)
    if texts[0].strip():
        raise DataError(f"{where}: expected '{layout.sections[0].marker}' at its start", file=file)
    sections = {s.name: _strip(t, s) for s, t in zip(layout.sections, texts[1:], strict=True)}
    properties = _read_properties(sections[layout.property_section], layout, where, file)
    return Example(number, sections, properties)


def _read_properties(text: str, layout: FewShotLayout, where: str, file: str | Path | None) -> dict[str, str]:
    lines = text.split("\n")
    keys = ", ".join(f"'{name}: …'" for name in layout.properties)
    expected = f"{where}: expected the property lines {keys}, in this order"
    if len(lines) != len(layout.properties):
        raise DataError(expected, file=file)
    properties: dict[str, str] = {}
    for line, name in zip(lines, layout.properties, strict=True):
        if not line.startswith(f"{name}:"):
            raise DataError(f"{expected}, found '{line}'", file=file)
        properties[name] = line.removeprefix(f"{name}:").strip()
    listed = properties[layout.list_property].split(",")
    properties[layout.list_property] = ", ".join(item.strip() for item in listed)
    return properties


def _strip(text: str, section: SectionLayout) -> str:
    return text.rstrip() if section.strip == "end" else text.strip()


def _find_line(text: str, line: str) -> tuple[int, int] | None:
    """Return the start of the first line equal to `line` but for trailing white space, and the start of the next line."""
    match = re.search(rf"^{re.escape(line)}[ \t]*(?:\n|\Z)", text, re.MULTILINE)
    return match.span() if match else None
