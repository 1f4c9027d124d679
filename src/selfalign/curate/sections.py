"""The four sections of a response, and their validation (reference, first pass)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from selfalign.core.code_blocks import FENCE, first_block, iter_blocks
from selfalign.core.filtering import Drop

TAGS = ("[Reasoning]", "[Implementation]", "[Explanation]", "[Tests]")
DEFINITIONS = ("def", "class", "import", "from")


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a response, each stripped."""

    reasoning: str
    implementation: str
    explanation: str
    tests: str

    def tagged(self) -> str:
        """Return the response with every section under its tag."""
        parts = (self.reasoning, self.implementation, self.explanation, self.tests)
        return "\n\n".join(f"{tag}\n{part}" for tag, part in zip(TAGS, parts, strict=True))


def parse_sections(response: str) -> Sections | None:
    """Return the sections of a response; None unless every tag occurs exactly once, in order.

    Args:
        response: text of the response.
    """
    if any(response.count(tag) != 1 for tag in TAGS):
        return None
    starts = [response.index(tag) for tag in TAGS]
    if starts != sorted(starts):
        return None
    ends = [*starts[1:], len(response)]
    return Sections(
        *(
            response[start + len(tag) : end].strip()
            for start, end, tag in zip(starts, ends, TAGS, strict=True)
        )
    )


def validate_sections(response: str) -> tuple[Sections, str] | Drop:
    """Return the sections of a well-formed response and the code of its test block, or else the drop.

    The tests section of the result ends with its code block; text after the block is removed.

    Args:
        response: text of the response.
    """
    sections = parse_sections(response)
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
    return replace(sections, tests=tests.strip()), code


def only_defines(code: str) -> bool:
    """Return whether every line that starts with a letter starts a definition or an import.

    Args:
        code: Python source.
    """
    return all(line.startswith(DEFINITIONS) for line in code.split("\n") if line[:1].isalpha())
