"""Cost of a run: tokens of each generation stage, hours, energy, disk space and price.

The cost of a seed is counted in a finished run (:func:`read_usage`) or assumed as in the published run
(:data:`PUBLISHED`). A token of prompt or completion takes 2 floating-point operations per parameter (Kaplan et al. 2020,
arXiv:2001.08361); the utilisation of the GPUs' peak performance is an assumption. Prompt tokens count in full, so prefix
caching on the server makes generation cheaper than estimated. With a measured throughput (:mod:`.throughput`), hours follow
from it instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selfalign.core.config.start import Stage
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import read_json
from selfalign.plan.throughput import Pace

GIB = 2**30

# Utilisation of the peak performance in batched generation. The published hours of three models (see PUBLISHED_HOURS) imply
# 0.24, 0.18 and 0.07 with the token counts of PUBLISHED.
UTILISATION = 0.2

# Size of a token of text, and of the lineage and other fields of a record, in bytes: rounded, from the embedded default.
TOKEN_BYTES = 4
RECORD_BYTES = 2500
# Size of a weight in bfloat16, in bytes; the weights are stored twice, for the base and the tuned model.
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

STAGES = ("concepts", "instructions", "responses")


@dataclass(frozen=True)
class StageUsage:
    """Mean cost of a request of one generation stage.

    Attributes:
        requests: number per seed, after the drops of the previous stages.
        prompt_tokens: number per request.
        completion_tokens: number per request, of all samples together.
        samples: number per request.
    """

    requests: float
    prompt_tokens: float
    completion_tokens: float
    samples: int


@dataclass(frozen=True)
class Usage:
    """Mean cost and yield of a seed, or of an imported row in a run that starts at a later stage.

    Attributes:
        source: description of the source of the figures.
        stages: cost of each generation stage that the run has, by name.
        passing: responses that pass execution, per seed.
        rows: rows of the final data set, per seed.
        row_tokens: tokens of a final row.
        tokens_per_s: throughput of the run's servers, in completion tokens per second; None if there were no requests.
        start: the imported rows (`start.stage`); None: the run starts with seeds of its own.
    """

    source: str
    stages: dict[str, StageUsage]
    passing: float
    rows: float
    row_tokens: float
    tokens_per_s: float | None = None
    start: Stage | None = None

    @property
    def programs(self) -> float:
        """Responses that are executed, per seed."""
        if last := self.stages.get("responses"):
            return last.requests * last.samples
        return 1.0 if self.start == "responses" else 0.0

    def starting_at(self, start: Stage | None) -> Usage:
        """Return the cost of a row of a run that starts with imported rows.

        Args:
            start: the imported rows (`start.stage`); None: none are imported.

        Raises:
            ConfigError: the figures are those of a run that starts elsewhere.
        """
        if start == self.start:
            return self
        if start is None or self.start is not None:
            raise ConfigError(
                f"the run of the token counts starts with {self.start or 'seeds of its own'}, the configuration with "
                f"{start or 'seeds of its own'} (start.stage); plan with another --run"
            )
        per_row = {
            "seeds": 1.0,
            "concepts": self.stages["instructions"].requests,
            "instructions": self.stages["responses"].requests,
            "responses": self.programs,
            "filtered": self.passing,
            "dataset": self.rows,
        }[start]
        if not per_row:
            raise ConfigError(f"{self.source}: no row reached {start}; plan with another --run")
        left = STAGES[["seeds", *STAGES].index(start) :] if start in ("seeds", *STAGES) else ()
        return replace(
            self,
            stages={
                name: replace(self.stages[name], requests=self.stages[name].requests / per_row)
                for name in left
                if name in self.stages
            },
            passing=1.0 if start == "dataset" else self.passing / per_row,
            rows=self.rows / per_row,
            start=start,
        )


# Rows: the published funnel of StarCoder2-Instruct. Prompts: 400 built from the published few-shots and other
# seeds, completions: the mean of the published few-shots' own answers; both in tokens of SmolLM2's tokenizer, whose
# vocabulary is as large as StarCoder2's.
PUBLISHED = Usage(
    source="assumed: the published funnel, and prompts built from the published few-shots",
    stages={
        "concepts": StageUsage(1.0, 1701, 16, 1),
        "instructions": StageUsage(1.0, 1484, 122, 1),
        "responses": StageUsage(238_000 / 248_934, 906, 10 * 648, 10),
    },
    passing=500_000 / 248_934,
    rows=50_661 / 248_934,
    row_tokens=450,
)


def read_usage(run: str | Path) -> Usage:
    """Return the cost of a seed (or of an imported row) in a finished run, from its counts, metrics and funnel.

    Tokens of cached completions count as those of new ones, since estimates assume an empty completion cache.

    Args:
        run: directory of the run.

    Raises:
        DataError: the run has no metrics of a stage, or they count no tokens.
    """
    run = Path(run)
    seeds, stages, seconds, fresh = 0, {}, 0.0, 0
    steps = read_json(run / "report/funnel.json")["steps"] if (run / "report/funnel.json").exists() else []
    start = _start_of(steps)
    for stage in STAGES:
        if start is not None and not (run / stage / "metrics").exists():
            continue
        found = _sum(run / stage / "metrics")
        counts = _sum(run / stage / "counts")
        seeds = seeds or counts["in"]
        if "from_cache" not in found:
            raise DataError(
                "expected 'from_cache', found none: the metrics are of an earlier version; build the run again",
                file=run / stage / "metrics",
            )
        asked = found["answers"] + found["from_cache"]
        if not asked or not seeds:
            raise DataError(
                "has no completed request; an estimate needs a run with completed requests", file=run / stage
            )
        prompt = found["prompt_tokens"] + found["prompt_tokens_from_cache"]
        completion = found["completion_tokens"] + found["completion_tokens_from_cache"]
        if not completion:
            raise DataError(
                "has no completion tokens; an estimate needs a run whose servers reported their token usage",
                file=run / stage / "metrics",
            )
        choices = counts.get("extra", {}).get("choices", asked)
        stages[stage] = StageUsage(
            asked / seeds, prompt / asked, completion / asked, max(1, round(choices / asked))
        )
        if found["answers"]:
            seconds += found["seconds"]
            fresh += found["completion_tokens"]
    steps = read_json(run / "report/funnel.json")["steps"]
    out = {step["stage"]: step["out"] for step in steps}  # of each stage's last step
    if start is not None and not stages:
        seeds = steps[1]["in"]  # after the import
    if not seeds:
        raise DataError("has no rows; an estimate needs a run with rows", file=run)
    return Usage(
        source=f"counted in {run}",
        start=start,
        stages=stages,
        passing=out.get("execution", seeds) / seeds,
        rows=out["dataset"] / seeds,
        row_tokens=PUBLISHED.row_tokens,
        tokens_per_s=fresh / seconds if seconds else None,
    )


def _start_of(steps: list[dict[str, Any]]) -> Stage | None:
    """Return the imported rows of a run (`start.stage`), by the steps of its funnel; None if it imported none."""
    if not any(step["stage"] == "start" for step in steps):
        return None
    names = {step["step"] for step in steps}
    first: dict[str, Stage] = {
        "concepts": "seeds",
        "instructions": "concepts",
        "responses": "instructions",
        "execute": "responses",
        "sanitize_raw": "filtered",
    }
    for name, stage in first.items():
        if name in names:
            return stage
    return "dataset"


def _sum(directory: Path) -> dict[str, Any]:
    """Return the numbers of all JSON files in `directory`, added up by key, one level deep."""
    files = sorted(directory.glob("*.json"))
    if not files:
        raise DataError("holds no JSON files; is this the directory of a run?", file=directory)
    return _added(read_json(file) for file in files)


def _added(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, int | float):
                total[key] = total.get(key, 0) + value
            elif isinstance(value, dict):
                total[key] = _added([total.get(key, {}), value])
    return total


@dataclass(frozen=True)
class Hardware:
    """The GPUs of a run.

    Attributes:
        gpus: number of GPUs.
        tflops: peak performance of one GPU for dense bfloat16, in TFLOP/s.
        price: price of one GPU-hour, in any currency; None: not part of the cost.
        price_per_kwh: price of energy, in the same currency; None: not part of the cost.
        watts: power of all machines together, in watts; None: as measured with the throughput, otherwise not known.
    """

    gpus: int
    tflops: float
    price: float | None = None
    price_per_kwh: float | None = None
    watts: float | None = None

    def cost(self, hours: float, watts: float | None = None) -> StageCost:
        """Return hours, energy and price of a stage.

        Args:
            hours: wall-clock hours on all GPUs together.
            watts: measured power, used where none is given; None: not known.
        """
        power = watts if self.watts is None else self.watts
        energy = 0.0 if not hours else None if power is None else hours * power / 1000
        money = None if self.price is None else hours * self.gpus * self.price
        if self.price_per_kwh is not None:
            money = None if energy is None else (money or 0.0) + energy * self.price_per_kwh
        return StageCost(hours, energy, money)


@dataclass(frozen=True)
class StageCost:
    """Estimated cost of a stage.

    Attributes:
        hours: wall-clock hours on all GPUs together.
        energy_kwh: energy, in kWh; None: not known.
        money: price in the currency of the prices; None: not known, or no price is given.
    """

    hours: float
    energy_kwh: float | None
    money: float | None


@dataclass(frozen=True)
class RunEstimate:
    """Estimated cost of a run with one model. Hours are wall-clock hours on all GPUs together.

    Energy (kWh) and money are None where they are not known for every stage.
    """

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
    evaluation_hours: float
    gpu_hours: float
    energy_kwh: float | None
    money: float | None
    stages: dict[str, StageCost]

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as a JSON object, hours, energy, money and sizes rounded."""
        stages = {name: _rounded(vars(cost)) for name, cost in self.stages.items()}
        return {**_rounded(vars(self)), "stages": stages}

    def of_rounds(self, rounds: int) -> RunEstimate:
        """Return the estimate of several rounds with the cost of this one each; seeds and model are those of one.

        Args:
            rounds: number of rounds.
        """
        kept = ("model", "parameters", "seeds", "stages")
        return replace(
            self,
            **{name: _times(value, rounds) for name, value in vars(self).items() if name not in kept},
            stages={
                name: StageCost(**{key: _times(value, rounds) for key, value in vars(cost).items()})
                for name, cost in self.stages.items()
            },
        )


def _times(value: Any, factor: int) -> Any:
    return None if value is None else value * factor


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}


def estimate_run(
    model: str,
    parameters: int,
    seeds: int,
    usage: Usage,
    machine: Hardware,
    *,
    samples: int | None = None,
    training_hours: float = 0.0,
    evaluation_hours: float = 0.0,
    tokens_per_s: float | None = None,
    pace: Pace | None = None,
    utilisation: float = UTILISATION,
) -> RunEstimate:
    """Estimate requests, tokens, hours, energy, disk space and cost of a run.

    Args:
        model: name shown in the estimate.
        parameters: number of parameters of the model.
        seeds: number of seeds, or of imported rows.
        usage: cost of a seed, or of an imported row.
        machine: GPUs and their price.
        samples: responses per instruction; None: those of `usage`.
        training_hours: hours of training on `machine`, estimated elsewhere.
        evaluation_hours: hours of generating the samples of benchmarks, estimated elsewhere.
        tokens_per_s: completion tokens per second of all servers together; None: estimated from `machine`.
        pace: measured throughput, used instead of `tokens_per_s`; None: none.
        utilisation: utilisation of the GPUs' peak performance in generation, from 0 to 1.
    """
    last = usage.stages.get("responses")
    factor = samples / last.samples if samples and last else 1.0
    requests = prompt = completion = sampled = 0.0
    size = 0.0
    costs = {}
    for name, stage in usage.stages.items():
        more = factor if name == "responses" else 1.0
        asked = seeds * stage.requests
        requests += asked
        sampled += asked * stage.samples * more
        prompt += asked * stage.prompt_tokens
        completion += asked * stage.completion_tokens * more
        hours = _hours(
            parameters,
            asked * stage.prompt_tokens,
            asked * stage.completion_tokens * more,
            machine,
            tokens_per_s=tokens_per_s,
            pace=pace,
            each=round(stage.samples * more),
            utilisation=utilisation,
        )
        costs[name] = machine.cost(hours, pace.power(round(stage.samples * more)) if pace else None)
        size += asked * (RECORD_BYTES + TOKEN_BYTES * (stage.prompt_tokens + stage.completion_tokens * more))
    programs = seeds * usage.programs * factor
    # Every response is a row of its own after execution, passing or not; every completion is cached too.
    prompt_tokens = last.prompt_tokens if last else usage.row_tokens
    size += programs * (RECORD_BYTES + TOKEN_BYTES * prompt_tokens) + 2 * TOKEN_BYTES * completion
    if usage.start is not None:
        size += seeds * (RECORD_BYTES + TOKEN_BYTES * usage.row_tokens)
    size += 2 * WEIGHT_BYTES * parameters
    generation_hours = sum(cost.hours for cost in costs.values())
    # Training was not part of the measurement of the throughput, so its power is not known from there.
    costs["training"] = machine.cost(training_hours)
    costs["evaluation"] = machine.cost(evaluation_hours, pace.power(1) if pace else None)
    return RunEstimate(
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
        generation_hours=generation_hours,
        training_hours=training_hours,
        evaluation_hours=evaluation_hours,
        gpu_hours=(generation_hours + training_hours + evaluation_hours) * machine.gpus,
        energy_kwh=_total([cost.energy_kwh for cost in costs.values()]),
        money=_total([cost.money for cost in costs.values()]),
        stages=costs,
    )


def _hours(
    parameters: int,
    prompt_tokens: float,
    completion_tokens: float,
    machine: Hardware,
    *,
    tokens_per_s: float | None,
    pace: Pace | None,
    each: int,
    utilisation: float,
) -> float:
    """Return the hours of a stage whose requests have `each` samples."""
    if pace is not None:
        return pace.hours(prompt_tokens, completion_tokens, each, shared=pace.shared)
    if tokens_per_s:
        return completion_tokens / tokens_per_s / 3600
    peak = machine.gpus * machine.tflops * 1e12 * utilisation
    return 2 * parameters * (prompt_tokens + completion_tokens) / peak / 3600


def _total(values: list[float | None]) -> float | None:
    """Return the sum; None if a value is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def implied_utilisation(parameters: float, hours: float, usage: Usage, machine: Hardware) -> float:
    """Return the utilisation of the peak performance with which :func:`estimate_run` yields the published hours of generation.

    Args:
        parameters: number of parameters of the model.
        hours: published hours for :data:`PUBLISHED_SEEDS` seeds on `machine`.
        usage: cost of a seed.
        machine: the GPUs of the published run.
    """
    plan = estimate_run("", round(parameters), PUBLISHED_SEEDS, usage, machine, utilisation=1.0)
    return plan.generation_hours / hours
