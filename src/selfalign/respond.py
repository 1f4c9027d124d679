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
from selfalign.core.chat import ChatFormat, cut_answer, load_tokenizer
from selfalign.core.checkpoint import is_adapter
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import DataError, InfrastructureError


def load(model: str | Path) -> tuple[Any, Any]:
    """Load model and tokenizer, onto the GPU if there is one.

    Args:
        model: checkpoint directory or hub id.

    Raises:
        DataError: the checkpoint does not exist, or is a LoRA adapter.
    """
    if str(model).startswith(("/", ".", "~")) and not Path(model).exists():
        raise DataError(
            "no such checkpoint directory; check the path, or give a hub id (owner/name)", file=model
        )
    if is_adapter(model):
        raise DataError(
            "expected a whole checkpoint, found a LoRA adapter; train with 'training.lora.merge', or serve it and give "
            "--endpoint",
            file=model,
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


def chat_format(tokenizer: Any, source: str | Path | None = None) -> ChatFormat:
    """Return the format of the prompts: the tokenizer's own chat template or, if it has none, the layout ``reference``.

    Args:
        tokenizer: tokenizer of the model.
        source: name of the tokenizer, for messages.
    """
    return ChatFormat(tokenizer, "own" if tokenizer.chat_template else "reference", source)


def respond(
    model: Any, tokenizer: Any, instruction: str, prefix: str = "", max_new_tokens: int = 1024
) -> str:
    """Return the model's greedy response up to its end, or to a ``###`` in a layout with such headers.

    Args:
        model: a loaded model.
        tokenizer: tokenizer of the model.
        instruction: the instruction.
        prefix: beginning of the response; it is part of the result.
        max_new_tokens: maximum length of the response, in tokens.
    """
    import torch

    chat = chat_format(tokenizer)
    prompt = torch.tensor([chat.prompt_ids(instruction, prefix)], device=model.device)
    with torch.inference_mode():
        ids = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            max_new_tokens=max_new_tokens,
            eos_token_id=[tokenizer.eos_token_id, *chat.stop_token_ids],
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            **({"stop_strings": list(chat.stop), "tokenizer": tokenizer} if chat.stop else {}),
        )
    answer = tokenizer.decode(ids[0, prompt.shape[1] :], skip_special_tokens=True)
    return _cut(prefix + answer, chat)


def respond_from(
    endpoint: str,
    model: str,
    instruction: str,
    prefix: str = "",
    max_new_tokens: int = 1024,
    *,
    tokenizer: str | Path,
) -> str:
    """Return a served model's greedy response; see :func:`respond`.

    The request is a completion of the prompt's token ids, the same as for a model in this process.

    Args:
        endpoint: base URL, such as ``http://127.0.0.1:8000/v1``.
        model: name under which the server offers the model.
        instruction: the instruction.
        prefix: beginning of the response; it is part of the result.
        max_new_tokens: maximum length of the response, in tokens.
        tokenizer: checkpoint directory or hub id with the model's tokenizer and chat template.

    Raises:
        DataError: the tokenizer cannot be read.
        InfrastructureError: the server did not respond.
    """
    chat = chat_format(load_tokenizer(tokenizer), tokenizer)
    request = Request(
        "respond",
        tuple(chat.prompt_ids(instruction, prefix)),
        max_new_tokens,
        stop=chat.stop,
        extra={"stop_token_ids": chat.stop_token_ids} if chat.stop_token_ids else {},
    )
    with open_client([endpoint], model, identity=model, cache=None, settings=ClientConfig()) as client:
        result = next(iter(client.complete([request])))
    if result.error is not None:
        raise InfrastructureError(f"{endpoint}: {result.error}")
    return _cut(prefix + result.choices[0].text, chat)


def _cut(response: str, chat: ChatFormat) -> str:
    return cut_answer(response) if chat.stop else response
