"""From names, files and settings to a stage that can run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from selfalign.core.errors import ConfigError
from selfalign.core.hashing import file_sha256, json_sha256
from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
from selfalign.generate.asks import REFERENCE_FEW_SHOTS, Sampling
from selfalign.generate.fewshots import load_few_shots
from selfalign.generate.prompts import PromptBuilder, Selection
from selfalign.generate.stage import Stage


def build_prompts(
    prompt_template: str | Path,
    few_shots: str | Path,
    mode: str,
    num_few_shots: int | None = None,
    *,
    seed: int = 3407,
    selection: str = "faithful",
    permutations: int = 1,
    numbers: Sequence[int] | None = None,
) -> PromptBuilder:
    """Return the prompt builder of `mode`; arguments as of :class:`PromptBuilder`.

    Args:
        prompt_template: name or file.
        mode: name of the prompt template's mode (``S->C``), or of the stage it serves (``concepts``).
        num_few_shots: None: as many as the reference uses.

    Raises:
        ConfigError: a name is unknown or a number too large.
        DataError: the few-shot file is not of the prompt template's layout.
    """
    if selection not in get_args(Selection):
        raise ConfigError(f"few-shot selection '{selection}' is not one of {', '.join(get_args(Selection))}")
    loaded = load_prompt_template(find_prompt_template(prompt_template))
    layout = loaded.modes[mode := loaded.mode_named(mode)]
    return PromptBuilder(
        loaded,
        load_few_shots(few_shots, loaded),
        mode,
        num_few_shots=REFERENCE_FEW_SHOTS[layout.stage] if num_few_shots is None else num_few_shots,
        seed=seed,
        selection=cast(Selection, selection),
        permutations=permutations,
        numbers=numbers,
    )


def build_stage(
    builder: PromptBuilder,
    sampling: Sampling,
    prompt_template: str | Path,
    few_shots: str | Path,
    identity: str,
) -> Stage:
    """Return the stage that asks `builder`'s prompts of the model that is `identity`.

    Args:
        prompt_template: name or file `builder` was made from; with the file `few_shots` it decides the fingerprint.
    """
    decides = {
        # Named as in records of earlier versions, whose bytes must not change.
        "recipe": file_sha256(find_prompt_template(prompt_template)),
        "few_shots": file_sha256(few_shots),
        "prompts": builder.settings(),
        "sampling": dataclasses.asdict(sampling),
        "model": identity,
    }
    return Stage(builder, sampling, identity, json_sha256(decides)[:16])
