"""Answer one instruction with a checkpoint in this process or with a served model.

::

    from selfalign.respond import load, respond

    model, tokenizer = load("results/default/model/tuned")
    print(respond(model, tokenizer, "Write a function that adds two numbers."))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfalign.client import Request, open_client
from selfalign.core.chat import CHAT_TEMPLATE, STOP, cut_answer, inference_prompt
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import DataError, InfrastructureError


def load(model: str | Path) -> tuple[Any, Any]:
    """Load model and tokenizer, onto the GPU if there is one.

    Args:
        model: checkpoint directory or hub id.

    Raises:
        DataError: the checkpoint does not exist.
    """
    if str(model).startswith(("/", ".", "~")) and not Path(model).exists():
        raise DataError(
            "no such checkpoint directory; check the path, or give a hub id (owner/name)", file=model
        )
    if Path(model).exists() and not (Path(model) / "config.json").exists():
        raise DataError("expected a checkpoint directory with a config.json", file=model)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype="auto")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"expected a checkpoint directory or a hub id ({reason})", file=model) from None
    return loaded.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def prompt_text(tokenizer: Any, instruction: str, prefix: str = "") -> str:
    """Return the prompt, in the tokenizer's own chat template or, if it has none, in selfalign's.

    Args:
        tokenizer: tokenizer of the model.
        instruction: the instruction.
        prefix: beginning of the response.
    """
    template = None if tokenizer.chat_template else CHAT_TEMPLATE
    message = [{"role": "user", "content": instruction}]
    # ChatML templates open the assistant's turn only on request; selfalign's and the released one always do.
    text = tokenizer.apply_chat_template(
        message, tokenize=False, chat_template=template, add_generation_prompt=True
    )
    return text + prefix


def respond(
    model: Any, tokenizer: Any, instruction: str, prefix: str = "", max_new_tokens: int = 1024
) -> str:
    """Return the model's greedy response up to its end or a ``###``, which is cut off.

    Args:
        model: a loaded model.
        tokenizer: tokenizer of the model.
        instruction: the instruction.
        prefix: beginning of the response; it is part of the result.
        max_new_tokens: maximum length of the response, in tokens.
    """
    import torch

    text = prompt_text(tokenizer, instruction, prefix)
    # The template already contains the beginning-of-sequence token.
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        ids = model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            max_new_tokens=max_new_tokens,
            stop_strings=[STOP],
            tokenizer=tokenizer,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
        )
    answer = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return cut_answer(prefix + answer)


def respond_from(
    endpoint: str, model: str, instruction: str, prefix: str = "", max_new_tokens: int = 1024
) -> str:
    """Return a served model's greedy response up to its end or a ``###``.

    The request is a plain completion in selfalign's prompt format, so the model must have been tuned by selfalign.

    Args:
        endpoint: base URL, such as ``http://127.0.0.1:8000/v1``.
        model: name under which the server offers the model.
        instruction: the instruction.
        prefix: beginning of the response; it is part of the result.
        max_new_tokens: maximum length of the response, in tokens.

    Raises:
        InfrastructureError: the server did not respond.
    """
    request = Request("respond", inference_prompt(instruction, prefix), max_new_tokens, stop=(STOP,))
    with open_client([endpoint], model, identity=model, cache=None, settings=ClientConfig()) as client:
        result = next(iter(client.complete([request])))
    if result.error is not None:
        raise InfrastructureError(f"{endpoint}: {result.error}")
    return cut_answer(prefix + result.choices[0].text)
