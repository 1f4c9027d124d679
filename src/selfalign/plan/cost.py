"""From what a seed costs to what a run costs.

A token takes 2 floating-point operations a parameter, whether it is read or written (Kaplan et al. 2020,
arXiv:2001.08361); what share of a GPU's peak generation reaches is an assumption. Prompt tokens count in full:
prefixes that the server has in its cache make generation cheaper than planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfalign.plan.usage import Usage

GIB = 2**30

# Share of the peak that batched generation reaches. The published hours of three models (see PUBLISHED_HOURS) imply
# 0.24, 0.18 and 0.07 with the token counts assumed in selfalign.plan.usage.
UTILISATION = 0.2

# Bytes of a token of text, and of a record's lineage and other fields: round figures of the embedded default.
TOKEN_BYTES = 4
RECORD_BYTES = 2500
# Weights in bfloat16, as they are downloaded and as they are handed over.
WEIGHT_BYTES = 2

# SelfCodeAlign (arXiv:2410.24198), cost of 37,000 seeds on 4 A100: model, parameters in 10^9, hours of generation,
# hours of tuning.
PUBLISHED_SEEDS = 37_000
PUBLISHED_GPUS = 4
PUBLISHED_HOURS = (
    ("StarCoder2-15B", 15.96, 12.0, 2.5),
    ("CodeQwen1.5-7B", 7.25, 7.0, 0.5),
    ("DeepSeek-Coder-33B", 33.34, 83.0, 3.5),
)


@dataclass(frozen=True)
class Machine:
    """What the work is given to: GPUs, the dense bfloat16 peak of one in TFLOP/s, the price of its hour."""

    gpus: int
    tflops: float
    price: float | None = None


@dataclass(frozen=True)
class Plan:
    """What a run of one model asks for. Hours are of the wall clock, on all GPUs together."""

    model: str
    parameters: int
    seeds: int
    requests: int
    samples: int
    prompt_tokens: int
    completion_tokens: int
    programs: int
    passing: int
    rows: int
    disk_gib: float
    generation_hours: float
    training_hours: float
    gpu_hours: float
    money: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object, hours and sizes rounded."""
        return {
            name: round(value, 2) if isinstance(value, float) else value for name, value in vars(self).items()
        }


def make_plan(
    model: str,
    parameters: int,
    seeds: int,
    usage: Usage,
    machine: Machine,
    *,
    samples: int | None = None,
    training_hours: float = 0.0,
    tokens_per_s: float | None = None,
    utilisation: float = UTILISATION,
) -> Plan:
    """Return what `seeds` seeds ask of a model.

    Args:
        samples: responses an instruction, where they are not those of `usage`.
        training_hours: on `machine`, from elsewhere.
        tokens_per_s: completion tokens a second of all servers together; None: from the arithmetic above.
        utilisation: share of the GPUs' peak that generation reaches.
    """
    factor = samples / usage.stages["responses"].samples if samples else 1.0
    requests = prompt = completion = sampled = 0.0
    size = 0.0
    for name, stage in usage.stages.items():
        more = factor if name == "responses" else 1.0
        asked = seeds * stage.requests
        requests += asked
        sampled += asked * stage.samples * more
        prompt += asked * stage.prompt_tokens
        completion += asked * stage.completion_tokens * more
        size += asked * (RECORD_BYTES + TOKEN_BYTES * (stage.prompt_tokens + stage.completion_tokens * more))
    last = usage.stages["responses"]
    programs = seeds * last.requests * last.samples * factor
    # Every response is a row of its own after execution, passing or not; every completion is in the journal too.
    size += programs * (RECORD_BYTES + TOKEN_BYTES * last.prompt_tokens) + 2 * TOKEN_BYTES * completion
    size += 2 * WEIGHT_BYTES * parameters
    if tokens_per_s:
        hours = completion / tokens_per_s / 3600
    else:
        peak = machine.gpus * machine.tflops * 1e12 * utilisation
        hours = 2 * parameters * (prompt + completion) / peak / 3600
    gpu_hours = (hours + training_hours) * machine.gpus
    return Plan(
        model=model,
        parameters=parameters,
        seeds=seeds,
        requests=round(requests),
        samples=round(sampled),
        prompt_tokens=round(prompt),
        completion_tokens=round(completion),
        programs=round(programs),
        passing=round(seeds * usage.passing * factor),
        rows=round(seeds * usage.rows),
        disk_gib=size / GIB,
        generation_hours=hours,
        training_hours=training_hours,
        gpu_hours=gpu_hours,
        money=None if machine.price is None else gpu_hours * machine.price,
    )


def implied_utilisation(parameters: float, hours: float, usage: Usage, machine: Machine) -> float:
    """Return the share of the peak that published hours of generation imply, by the same arithmetic.

    Args:
        parameters: of the model.
        hours: of :data:`PUBLISHED_SEEDS` seeds, on `machine`.
    """
    plan = make_plan("", round(parameters), PUBLISHED_SEEDS, usage, machine, utilisation=1.0)
    return plan.generation_hours / hours
