"""The name of a completion: a hash of everything that determines it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfalign.core.hashing import json_sha256


def request_key(identity: str, body: Mapping[str, Any]) -> str:
    """Return the completion key of a request, 64 hexadecimal digits.

    The prompt template takes part by what it does: the words of the prompt and the stop strings, all of which are
    in `body`. Two stages or prompt templates that ask the same of the same model get the same answer.

    Args:
        identity: what the model is (checkpoint hash, or hub id and revision), not what it is called.
        body: the request's body: prompt, sampling, seed, stop strings.
    """
    return json_sha256({"model": identity, "request": dict(body)})
