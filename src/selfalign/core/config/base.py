"""The base class of configuration sections, their validation and its error messages."""

from __future__ import annotations

import datetime
import difflib
import re
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from selfalign.core.errors import ConfigError

# A number in YAML 1.2 that YAML 1.1 (PyYAML, Snakemake) reads as text: 1e-5, 2.5E3.
_EXPONENT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)[eE][+-]?\d+")
# A seed accepted by the generators of Python, NumPy, PyTorch and servers, also after adding the index of a record.
Seed = Annotated[int, Field(ge=0, lt=2**31)]
# Settings of near-duplicate detection (selfalign.dedup).
Similarity = Annotated[float, Field(gt=0, le=1)]
NumPerm = Annotated[int, Field(ge=16, description="Number of hash functions in a MinHash signature.")]
NGram = Annotated[int, Field(ge=1, description="Words in an n-gram.")]
# Larger numbers overflow somewhere: in timers, in resource limits, in tensors, at a server.
NUMBER_LIMIT = 2**31
# Jobs of one rule at most: Snakemake holds all jobs of a build in memory.
MAX_JOBS = 20_000
# Marks a field (a setting or a section) that does not affect the contents of any output.
RUNTIME_ONLY: dict[str, JsonValue] = {"runtime_only": True}
RERUNS_NOTHING = "Changing it does not rerun anything."


def is_runtime_only(field: FieldInfo) -> bool:
    """Whether a field is marked with :data:`RUNTIME_ONLY`."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("runtime_only") is True


def description_of(field: FieldInfo) -> str:
    """Return the description of a field, with a sentence about reruns if the field is runtime-only."""
    sentences = [field.description or "", *([RERUNS_NOTHING] if is_runtime_only(field) else [])]
    return " ".join(filter(None, sentences))


class Section(BaseModel):
    """Base of all sections: unknown keys are rejected, values are not coerced to other types, instances are frozen.

    Every field has a ``description``; it becomes the comment in ``config.yaml`` and the text in the schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def decisive(self) -> dict[str, Any]:
        """Return the settings that affect outputs, as plain values: all but the runtime-only ones."""
        return {
            name: _decisive(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if not is_runtime_only(field)
        }

    @model_validator(mode="before")
    @classmethod
    def _read_exponents(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            key: float(each)
            if isinstance(each, str) and _EXPONENT.fullmatch(each) and cls._expects_number(key)
            else each
            for key, each in value.items()
        }

    @field_validator("*")
    @classmethod
    def _is_usable(cls, value: Any) -> Any:
        """Refuse what passes as a value but no stage can use: numbers beyond all bounds, and null characters."""
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, int | float) and abs(each) >= NUMBER_LIMIT:
                raise ValueError(f"expected a number below {NUMBER_LIMIT}")
            if isinstance(each, str) and "\0" in each:
                raise ValueError("expected text without null characters")
        return value

    @classmethod
    def _expects_number(cls, key: Any) -> bool:
        field = cls.model_fields.get(key)
        kinds = {field.annotation, *get_args(field.annotation)} if field else set()
        return str not in kinds and not kinds.isdisjoint({int, float})


def _decisive(value: Any) -> Any:
    if isinstance(value, Section):
        return value.decisive()
    return [_decisive(each) for each in value] if isinstance(value, list) else value


S = TypeVar("S", bound=Section)

# Keys of earlier versions, with their replacements.
REPLACED = {
    "paths.journal": "use 'paths.completion_cache'; move the directory there to keep its completions "
    "(mv results/journal results/completion_cache)",
    "paths.shared": "'downloads.local' names a directory of local copies",
    "evaluation.models": "use 'evaluation.layouts', which has a list for each model",
    "evaluation.base_layout": "use 'evaluation.layouts.base'",
    "evaluation.published_samples": "use 'reproduction.published_samples'",
    "evaluation.generate_published": "use 'reproduction.own_scores'",
    "evaluation.generate_released": "use 'reproduction.released_model'",
    "evaluation.benchmarks.data": "put the file into the directory named by 'downloads.local'",
    "generation.recipe": "use 'generation.prompt_template'; the files are in prompts/templates/",
    **{
        f"generation.{stage}.{old}": f"use 'generation.{stage}.{new}'"
        for stage in ("concepts", "instructions", "responses")
        for old, new in (("num_fewshots", "num_few_shots"), ("max_tokens", "max_new_tokens"))
    },
    "seeds.judge.max_tokens": "use 'seeds.judge.max_new_tokens'",
    "seeds.near_duplicates.permutations": "use 'seeds.near_duplicates.num_perm'",
    "curation.duplicates.permutations": "use 'curation.duplicates.num_perm'",
    "curation.decontamination.exempt": "'seeds.contamination.exempt' applies to both",
    "curation.handover": "use 'curation.export'",
    **{
        f"training.{old}": f"use 'training.{new}'"
        for old, new in (
            ("optimizer", "optim"),
            ("schedule", "lr_scheduler_type"),
            ("warmup_share", "warmup_ratio"),
            ("epochs", "num_train_epochs"),
            ("batch_size", "per_device_train_batch_size"),
            ("accumulation", "gradient_accumulation_steps"),
            ("keep_checkpoints", "save_total_limit"),
            ("push_to", "hub_model_id"),
        )
    },
    "seeds.contamination.data": "put the files into the directory named by 'downloads.local'",
    "curation.decontamination.data": "put the files into the directory named by 'downloads.local'",
}


def validate_section(model: type[S], value: Any, name: str = "") -> S:
    """Validate a section.

    Args:
        model: model of the section.
        value: parsed YAML or JSON.
        name: dotted key of the section in the configuration, for messages.

    Raises:
        ConfigError: the message has one line per wrong key, with its value and the allowed values.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = [_explain(model, name, dict(problem)) for problem in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _explain(model: type[BaseModel], name: str, problem: dict[str, Any]) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join(([name] if name else []) + location)
    if problem["type"] == "extra_forbidden":
        plain = ".".join(part for part in key.split(".") if not part.isdigit())
        if plain in REPLACED:
            return f"configuration: key '{key}' no longer exists; {REPLACED[plain]}"
        known = _keys_at(model, location[:-1])
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"configuration: unknown key '{key}'{hint} Allowed here: {', '.join(known)}"
    if problem["type"] == "missing":
        return f"configuration: key '{key}' is required"
    allowed = _allowed(problem)
    if not key and problem["type"] == "value_error":
        return f"configuration: {allowed}"
    given = problem["input"]
    shown = str(given) if isinstance(given, datetime.date) else repr(given)
    return f"configuration: {repr(key) if key else 'the whole'} is {shown}; {allowed}"


def _allowed(problem: dict[str, Any]) -> str:
    """Return what a value should have been, in terms of YAML rather than of pydantic."""
    if problem["type"] in ("model_type", "dict_type"):
        return "expected a section: keys with values"
    if problem["type"] == "string_type" and isinstance(problem["input"], bool | int | float | datetime.date):
        return "expected text; put it in quotes"
    if problem["type"] == "string_pattern_mismatch":
        return f"expected text of the form {problem['ctx']['pattern']}"
    if problem["type"] == "string_too_short":
        return "expected a text that is not empty"
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = re.sub(r"^Input should be (a valid )?", "expected ", message)
    return f"{message[:1].lower()}{message[1:]}"


def _keys_at(model: type[BaseModel], location: list[str]) -> list[str]:
    """Return the names of the keys allowed at `location` below `model`, as far as they are known."""
    current: Any = model
    for part in location:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    return list(getattr(current, "model_fields", {}))
