"""The sections of a response, and their validation (reference, first pass)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from selfalign.core.code_blocks import FENCE, first_block, iter_blocks
from selfalign.core.filtering import Drop
from selfalign.core.prompt_template import ResponseLayout

PUBLISHED_LAYOUT = ResponseLayout(
    sections=["[Reasoning]", "[Implementation]", "[Explanation]", "[Tests]"],
    implementation="[Implementation]",
    tests="[Tests]",
)
CODE_LAYOUT = ResponseLayout(
    sections=["[Implementation]", "[Tests]"], implementation="[Implementation]", tests="[Tests]"
)
DEFINITIONS = ("def", "class", "import", "from")


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a response.

    Attributes:
        layout: layout of the response.
        preamble: text before the first tag, stripped.
        texts: stripped text of each section, by tag, in the order of the response.
    """

    layout: ResponseLayout
    preamble: str
    texts: dict[str, str]

    @property
    def implementation(self) -> str:
        """Text of the implementation."""
        tag = self.layout.implementation
        return self.preamble if tag is None else self.texts[tag]

    @property
    def tests(self) -> str:
        """Text of the tests."""
        return self.texts[self.layout.tests]

    def without(self, *tags: str) -> str:
        """Return the response without tags and without the sections of some tags, as paragraphs.

        Args:
            tags: tags of the sections to leave out.
        """
        parts = [] if self.layout.implementation is not None else [self.preamble]
        parts += [text for tag, text in self.texts.items() if tag not in tags]
        return "\n\n".join(part for part in parts if part)

    def tagged(self) -> str:
        """Return the response with every section under its tag."""
        parts = [] if self.layout.implementation is not None else [self.preamble]
        parts += [f"{tag}\n{text}" for tag, text in self.texts.items()]
        return "\n\n".join(parts)


def parse_sections(response: str, layout: ResponseLayout = PUBLISHED_LAYOUT) -> Sections | None:
    """Return the sections of a response; None unless every tag occurs exactly once, in order.

    Args:
        response: text of the response.
        layout: its layout.
    """
    tags = layout.sections
    if any(response.count(tag) != 1 for tag in tags):
        return None
    starts = [response.index(tag) for tag in tags]
    if starts != sorted(starts):
        return None
    ends = [*starts[1:], len(response)]
    texts = {
        tag: response[start + len(tag) : end].strip()
        for start, end, tag in zip(starts, ends, tags, strict=True)
    }
    return Sections(layout, response[: starts[0]].strip(), texts)


def validate_sections(
    response: str, layout: ResponseLayout = PUBLISHED_LAYOUT
) -> tuple[Sections, str] | Drop:
    """Return the sections of a well-formed response and the code of its test block, or else the drop.

    The tests section of the result ends with its code block; text after the block is removed.

    Args:
        response: text of the response.
        layout: its layout.
    """
    sections = parse_sections(response, layout)
    if sections is None:
        return Drop("sections")
    if first_block(sections.implementation, "python") is None:
        return Drop("implementation_block")
    tests = sections.tests
    blocks = [block for block in iter_blocks(tests) if block.has_tag("python")]
    if tests.count(FENCE) != 2 or len(blocks) != 1:
        return Drop("tests_block")
    tests = tests[: tests.rindex(FENCE) + len(FENCE)]
    lines = tests.split("\n")
    slash = next((i for i, line in enumerate(lines) if line.startswith("/")), None)
    if slash is not None:
        tests = "\n".join(lines[:slash])
    code = blocks[0].code
    if "assert" not in tests or only_defines(code):
        return Drop("no_assertion")
    return replace(sections, texts={**sections.texts, layout.tests: tests.strip()}), code


def only_defines(code: str) -> bool:
    """Return whether every line that starts with a letter starts a definition or an import.

    Args:
        code: Python source.
    """
    return all(line.startswith(DEFINITIONS) for line in code.split("\n") if line[:1].isalpha())
