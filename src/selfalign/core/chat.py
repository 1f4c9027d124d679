"""Prompt format of training and inference (reference, section 7), as text and as a chat template.

A system sentence, then instruction and response under their headers. Released models come with their own chat template;
this one is for models trained by selfalign.
"""

from __future__ import annotations

SYSTEM = "You are a careful programming assistant who answers instructions with correct, tested code."
INSTRUCTION_HEADER = "### Instruction"
RESPONSE_HEADER = "### Response"
# The text after this string is not part of a response.
STOP = "###"

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
    """Return the prompt of a tuned model for an instruction.

    Args:
        instruction: the instruction.
        response_prefix: text that the response must start with.
    """
    return f"{SYSTEM}\n\n{INSTRUCTION_HEADER}\n{instruction}\n\n{RESPONSE_HEADER}\n{response_prefix}"


def cut_answer(text: str) -> str:
    """Return a response without the text from the next header on.

    Args:
        text: text that a model generated.
    """
    return text.partition(STOP)[0]
