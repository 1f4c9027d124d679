"""Instructions of rows, compared as they were generated."""

from __future__ import annotations

# Begins what the second sanitising pass appends to some instructions.
PASS_THE_FOLLOWING = "\n\nYour code should pass the following "


def normalized_instruction(instruction: str) -> str:
    """Return an instruction as generated, in lower case with single spaces.

    Args:
        instruction: instruction of a row, with or without the assertions that the second sanitising pass may append.
    """
    return " ".join(instruction.partition(PASS_THE_FOLLOWING)[0].lower().split())
