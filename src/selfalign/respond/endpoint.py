"""Answers from a server that offers the completions interface."""

from __future__ import annotations

from selfalign.client import Request, open_client
from selfalign.core.chat import STOP, cut_answer, inference_prompt
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import InfrastructureError


def respond_from(
    endpoint: str, model: str, instruction: str, prefix: str = "", max_new_tokens: int = 1024
) -> str:
    """Return a served model's greedy answer up to its end or a ``###``; `prefix` included.

    The server sees a plain completion in our format, so the model must be one that was tuned by us.

    Args:
        endpoint: base URL, such as ``http://127.0.0.1:8000/v1``.
        model: name the model is served under.

    Raises:
        InfrastructureError: the server did not answer.
    """
    request = Request("respond", inference_prompt(instruction, prefix), max_new_tokens, stop=(STOP,))
    with open_client([endpoint], model, identity=model, cache=None, settings=ClientConfig()) as client:
        result = next(iter(client.complete([request])))
    if result.error is not None:
        raise InfrastructureError(f"{endpoint}: {result.error}")
    return cut_answer(prefix + result.choices[0].text)
