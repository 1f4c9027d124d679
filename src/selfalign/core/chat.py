"""From an instruction to token ids, in the same way for training, scoring and ``selfalign respond``.

A prompt layout is how an instruction is presented to a model:

- ``own``: the chat template of the model's tokenizer;
- ``reference``: a system sentence, then instruction and response under their headers (reference, section 7);
- ``plain``: the beginning of a program, which the model continues; for scoring only, as there is no instruction in it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from selfalign.core.config.training import ChatLayout
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json

SYSTEM = "You are a careful programming assistant who answers instructions with correct, tested code."
INSTRUCTION_HEADER = "### Instruction"
RESPONSE_HEADER = "### Response"
# The text after this string is not part of a response in the layout `reference`.
STOP = "###"

# The layout `reference` as a chat template, for checkpoints that were trained in it.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}"
    "{% set messages = messages[1:] %}{% else %}{{ '" + SYSTEM + "' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '\\n\\n### Instruction\\n' + message['content'] }}"
    "{{ '\\n\\n### Response\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('only system, user and assistant messages are known') }}{% endif %}"
    "{% endfor %}"
)


def inference_prompt(instruction: str, response_prefix: str = "") -> str:
    """Return the prompt for an instruction in the layout ``reference``, without the beginning-of-sequence token.

    Args:
        instruction: the instruction.
        response_prefix: text that the response must start with.
    """
    return f"{SYSTEM}\n\n{INSTRUCTION_HEADER}\n{instruction}\n\n{RESPONSE_HEADER}\n{response_prefix}"


def cut_answer(text: str) -> str:
    """Return a response in the layout ``reference`` without the text from the next header on.

    Args:
        text: text that a model generated.
    """
    return text.partition(STOP)[0]


class ChatFormat:
    """A chat layout with a tokenizer: encodes instructions and responses.

    Special tokens are exactly those of the template: of two tokenizers, one of which adds a beginning-of-sequence token
    itself, neither adds another one.

    Args:
        tokenizer: tokenizer of the model, of transformers.
        layout: ``own`` or ``reference``.
        source: name of the tokenizer, for messages.

    Raises:
        DataError: the tokenizer has no chat template (``own``) or no end-of-sequence token, or its template does not
            render a response after the prompt.
    """

    def __init__(self, tokenizer: Any, layout: ChatLayout, source: str | Path | None = None) -> None:
        self.tokenizer = tokenizer
        self._source = source
        self.layout: ChatLayout = layout
        self.template: str = CHAT_TEMPLATE if layout == "reference" else tokenizer.chat_template
        if not self.template:
            raise DataError(
                "expected a chat template in the tokenizer, found none; use the layout 'reference' "
                "(training.layout, evaluation.layouts)",
                file=source,
            )
        if tokenizer.eos_token_id is None:
            raise DataError("expected a tokenizer with an end-of-sequence token", file=source)

    def prompt_text(self, instruction: str, prefix: str = "") -> str:
        """Return the prompt with all its special tokens, for servers that take text only.

        Args:
            instruction: the instruction.
            prefix: beginning of the response.
        """
        if self.layout == "reference":
            return (self.tokenizer.bos_token or "") + inference_prompt(instruction, prefix)
        return self._render(instruction) + prefix

    def prompt_ids(self, instruction: str, prefix: str = "") -> list[int]:
        """Return the token ids of the prompt.

        The prefix is encoded by itself, as training encodes the response whose beginning it is.

        Args:
            instruction: the instruction.
            prefix: beginning of the response.
        """
        return self._opening_ids(instruction) + (self._encode(prefix) if prefix else [])

    def response_ids(self, response: str) -> list[int]:
        """Return the token ids of a response and of the tokens that end it.

        Args:
            response: text of the response.
        """
        return self._encode(response) + self.end_ids

    @property
    def stop(self) -> tuple[str, ...]:
        """Stop strings of a response, beside the tokens that end it."""
        return (STOP,) if RESPONSE_HEADER in self._render("") else ()

    @cached_property
    def end_ids(self) -> list[int]:
        """Token ids after a response: the end of the assistant's message or, if the template has none, of the sequence."""
        if self.layout == "reference":
            return [self.tokenizer.eos_token_id]
        response = "a response"
        opening, whole = self._render("an instruction"), self._render("an instruction", response)
        if not whole.startswith(opening + response):
            raise DataError(
                "the chat template does not render a response after the prompt, so a model cannot be trained in it; "
                "use the layout 'reference' (training.layout, evaluation.layouts)",
                file=self._source,
            )
        # White space after the end belongs to the next message.
        end = self._encode(whole[len(opening + response) :].rstrip())
        return end or [self.tokenizer.eos_token_id]

    @property
    def stop_token_ids(self) -> list[int]:
        """Token ids that end a response and that a server does not know to be its end: all but end-of-sequence."""
        return [first for first in self.end_ids[:1] if first != self.tokenizer.eos_token_id]

    def _opening_ids(self, instruction: str) -> list[int]:
        if self.layout == "own":
            return self._encode(self._render(instruction))
        beginning = self.tokenizer.bos_token_id
        return [*([] if beginning is None else [beginning]), *self._encode(inference_prompt(instruction))]

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _render(self, instruction: str, response: str | None = None) -> str:
        messages = [{"role": "user", "content": instruction}]
        if response is not None:
            messages.append({"role": "assistant", "content": response})
        # Some templates open the assistant's message only on request; the others ignore the argument.
        return self.tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            chat_template=self.template,
            add_generation_prompt=response is None,
        )


def load_tokenizer(source: str | Path, revision: str | None = None) -> Any:
    """Return the tokenizer of a checkpoint.

    Args:
        source: checkpoint directory, or model id on the hub.
        revision: commit on the hub; None: the default branch.

    Raises:
        DataError: the tokenizer is missing or cannot be read.
    """
    try:
        if _names_its_class(Path(source)):
            from transformers import TokenizersBackend

            return TokenizersBackend.from_pretrained(str(source))
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(source), revision=revision)
    except Exception as error:  # the tokenizers library raises plain Exception
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"the tokenizer cannot be read ({first})", file=source) from error


def _names_its_class(checkpoint: Path) -> bool:
    """Whether a checkpoint of the Llama architecture, such as the embedded model, names the generic class of tokenizers.

    AutoTokenizer takes that class then, but importing AutoTokenizer loads PyTorch and scikit-learn, which takes several
    times as long. For some other architectures, AutoTokenizer ignores the name.
    """
    try:
        config = read_json(checkpoint / "config.json")
        tokenizer = read_json(checkpoint / "tokenizer_config.json")
    except DataError:
        return False
    return (
        isinstance(config, dict)
        and isinstance(tokenizer, dict)
        and config.get("model_type") == "llama"
        and tokenizer.get("tokenizer_class") == "TokenizersBackend"
        and "auto_map" not in tokenizer
    )
