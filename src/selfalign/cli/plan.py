"""``selfalign plan``: estimate the cost of a run or of its training."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from selfalign.core.config import Config
    from selfalign.plan.throughput import Pace
    from selfalign.plan.training import Shape

# Larger numbers are mistakes; infinity is among them.
LARGEST = 10**12

GpuKind = Annotated[str, typer.Option(help="GPU model.")]
Gpus = Annotated[int, typer.Option(min=1, help="Number of GPUs.")]
Price = Annotated[
    float | None, typer.Option(min=0, max=LARGEST, help="Price of one GPU-hour, in any currency.")
]
ConfigFile = Annotated[Path | None, typer.Option(help="Configuration file (YAML), merged into the default.")]
PricePerKwh = Annotated[
    float | None, typer.Option(min=0, max=LARGEST, help="Price of one kWh, in the same currency.")
]
Watts = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=LARGEST,
        help="Power of all machines together, in watts. [default: as measured, else not known]",
    ),
]
ThroughputFile = Annotated[
    Path | None,
    typer.Option(help="Throughput that `selfalign plan measure` measured (JSON); replaces --tokens-per-s."),
]
Servers = Annotated[
    int, typer.Option(min=1, help="Number of servers like the measured one (with --throughput).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

EMBEDDED_PARAMETERS = "0.135b"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    plan = typer.Typer(help="Estimate requests, tokens, GPU-hours, disk space and cost of a run.")
    app.add_typer(plan, name="plan")
    plan.callback(invoke_without_command=True)(whole_run)
    plan.command()(train)
    plan.command()(evaluation)
    plan.command()(measure)
    plan.command()(published)


def whole_run(
    context: typer.Context,
    *,
    config: ConfigFile = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Directory of a finished run that provides the token counts. [default: the configured run, if finished]"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, max=LARGEST, help="Number of seeds, or of imported rows. [default: as configured]"
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Responses per instruction. [default: as configured]"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Checkpoint directory, known name, or size (7.25b); may be repeated. [default: as configured]"
        ),
    ] = None,
    gpu: GpuKind = "a100-80gb",
    gpus: Gpus = 1,
    price: Price = None,
    tokens_per_s: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=LARGEST,
            help="Throughput of all servers, in completion tokens per second. [default: estimated]",
        ),
    ] = None,
    throughput: ThroughputFile = None,
    servers: Servers = 1,
    price_per_kwh: PricePerKwh = None,
    watts: Watts = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the cost of a run for seeds x samples x models, within a factor of two.

    Example: selfalign plan --config presets/starcoder2-15b.yaml --gpus 4 --price 2
    """
    if context.invoked_subcommand is not None:
        return
    from selfalign.core.config import read_config
    from selfalign.plan.evaluation import estimate_evaluation
    from selfalign.plan.training import estimate, preference_hours
    from selfalign.plan.whole_run import PUBLISHED, Hardware, estimate_run, read_usage

    settings = read_config(config)
    directory = run or Path(settings.paths.results) / settings.run
    counted = run is not None or (directory / "report/funnel.json").exists()
    usage = (read_usage(directory) if counted else PUBLISHED).starting_at(settings.start.stage)
    count = seeds or settings.records
    kind = _gpu(gpu)
    pace = _pace(settings, throughput, servers, tokens_per_s)
    plans = []
    rows = max(1, round(count * usage.rows))
    for name in model or [_configured_model(settings)]:
        shape = _shape(name)
        data = {"rows": rows, "tokens_per_row": usage.row_tokens}
        hours = estimate(shape, settings.training, kind, gpus=gpus, **data).hours
        # Of the first round only.
        hours += preference_hours(shape, settings, kind, gpus=gpus, **data) / settings.rounds
        plans.append(
            estimate_run(
                name,
                shape.parameters,
                count,
                usage,
                Hardware(gpus, kind.tflops, price, price_per_kwh, watts),
                samples=samples or settings.generation.responses.n,
                training_hours=hours,
                # Those of all rounds; the base model is scored once.
                evaluation_hours=sum(
                    each.hours
                    for each in estimate_evaluation(
                        settings,
                        shape.parameters,
                        kind,
                        gpus=gpus,
                        tokens_per_s=tokens_per_s,
                        pace=pace,
                        rows=rows,
                    )
                )
                / settings.rounds,
                tokens_per_s=tokens_per_s,
                pace=pace,
            ).of_rounds(settings.rounds)
        )
    found = {
        "tokens": usage.source,
        **({"rounds": settings.rounds} if settings.rounds > 1 else {}),
        "gpu": f"{gpus} x {gpu}",
        "throughput": None if throughput is None else str(throughput),
        "measured_tokens_per_s": usage.tokens_per_s and round(usage.tokens_per_s, 1),
        "plans": [each.to_json() for each in plans],
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        _show(found)


def published(as_json: AsJson = False) -> None:
    """Compare estimates with the hours published for three models (37,000 seeds on 4 A100)."""
    from selfalign.core.config.training import TrainingConfig
    from selfalign.core.gpus import GPUS
    from selfalign.plan.training import estimate
    from selfalign.plan.whole_run import (
        PUBLISHED,
        PUBLISHED_GPUS,
        PUBLISHED_HOURS,
        PUBLISHED_SEEDS,
        Hardware,
        estimate_run,
        implied_utilisation,
    )

    kind = GPUS["a100-80gb"]
    machine = Hardware(PUBLISHED_GPUS, kind.tflops)
    recipe = TrainingConfig(
        learning_rate=1e-5,
        num_train_epochs=4,
        max_steps=-1,
        gradient_accumulation_steps=64,
        max_length=1280,
        batching="padded",
        precision="bfloat16",
    )
    rows = []
    for name, billions, generation, tuning in PUBLISHED_HOURS:
        shape = _shape(f"{billions}b")
        hours = estimate(
            shape,
            recipe,
            kind,
            gpus=PUBLISHED_GPUS,
            rows=PUBLISHED_SEEDS,
            tokens_per_row=PUBLISHED.row_tokens,
        ).hours
        plan = estimate_run(name, shape.parameters, PUBLISHED_SEEDS, PUBLISHED, machine, training_hours=hours)
        rows.append(
            {
                "model": name,
                "generation_hours": round(plan.generation_hours, 1),
                "published_generation_hours": generation,
                "implied_utilisation": round(
                    implied_utilisation(billions * 1e9, generation, PUBLISHED, machine), 2
                ),
                "tuning_hours": round(hours, 1),
                "published_tuning_hours": tuning,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    typer.echo(
        f"{PUBLISHED_SEEDS:,} seeds on {PUBLISHED_GPUS} x A100; estimated and published hours (arXiv:2410.24198)"
    )
    _table(
        ["model", "generation h", "published", "implied utilisation", "tuning h", "published"],
        [[*row.values()] for row in rows],
    )
    typer.echo(
        "Assumptions: 20 % of peak performance for generation, 30 % for fine-tuning; one row of 450 tokens per seed; "
        "4 epochs. The paper does not state the number of rows of its fine-tuning."
    )


def train(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Checkpoint directory or known name.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration file (YAML), merged into the default; only `training` is used."),
    ] = None,
    gpu: GpuKind = "a100-80gb",
    gpus: Gpus = 1,
    sharded: Annotated[
        bool, typer.Option("--sharded", help="Shard the model over the GPUs (fsdp, zero3).")
    ] = False,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the dataset.")] = 50_000,
    tokens_per_row: Annotated[float, typer.Option(min=1, help="Mean length of a row, in tokens.")] = 450,
    utilisation: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="Fraction of the GPU's peak performance. [default: 0.3]"),
    ] = None,
) -> None:
    """Estimate memory per GPU and duration of a training run, to within tens of per cent; print JSON."""
    from selfalign.core.config import read_config
    from selfalign.plan.training import UTILISATION, describe, estimate, read_shape

    kind = _gpu(gpu)
    found = estimate(
        read_shape(model),
        read_config(config).training,
        kind,
        gpus=gpus,
        sharded=sharded,
        rows=rows,
        tokens_per_row=tokens_per_row,
        utilisation=utilisation or UTILISATION,
    )
    typer.echo(json.dumps(describe(found, kind), indent=2))


def evaluation(
    *,
    config: ConfigFile = None,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint directory, known name, or size (7.25b). [default: as configured]"),
    ] = None,
    gpu: GpuKind = "a100-80gb",
    gpus: Gpus = 1,
    price: Price = None,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=1, help="Mean length of a prompt, in tokens. [default: 400, assumed]")
    ] = None,
    completion_tokens: Annotated[
        int | None, typer.Option(min=1, help="Mean length of a sample, in tokens. [default: 250, assumed]")
    ] = None,
    tokens_per_s: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=LARGEST,
            help="Throughput of all servers, in completion tokens per second. [default: estimated]",
        ),
    ] = None,
    throughput: ThroughputFile = None,
    servers: Servers = 1,
    price_per_kwh: PricePerKwh = None,
    watts: Watts = None,
    as_json: AsJson = False,
) -> None:
    """Estimate hours and GPU memory of the evaluation of a model on the configured benchmarks.

    Example: selfalign plan evaluation --config presets/released-model.yaml
    """
    from selfalign.core.config import read_config
    from selfalign.plan.evaluation import (
        COMPLETION_TOKENS,
        PROMPT_TOKENS,
        estimate_evaluation,
        server_memory,
    )
    from selfalign.plan.whole_run import Hardware

    settings, kind = read_config(config), _gpu(gpu)
    name = model or _configured_model(settings)
    shape = _shape(name)
    pace = _pace(settings, throughput, servers, tokens_per_s)
    costs = estimate_evaluation(
        settings,
        shape.parameters,
        kind,
        gpus=gpus,
        prompt_tokens=prompt_tokens or PROMPT_TOKENS,
        completion_tokens=completion_tokens or COMPLETION_TOKENS,
        tokens_per_s=tokens_per_s,
        pace=pace,
    )
    hours = sum(each.hours for each in costs)
    cost = Hardware(gpus, kind.tflops, price, price_per_kwh, watts).cost(
        hours, pace.power(1) if pace else None
    )
    found = {
        "model": name,
        "gpu": f"{gpus} x {gpu}",
        "hours": round(hours, 2),
        "energy_kwh": None if cost.energy_kwh is None else round(cost.energy_kwh, 2),
        "money": None if cost.money is None else round(cost.money, 2),
        "memory": server_memory(settings, shape, kind),
        "benchmarks": [{**vars(each), "hours": round(each.hours, 2)} for each in costs],
    }
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    priced = price is not None or price_per_kwh is not None
    money = f" Energy: {_known(found['energy_kwh'])} kWh." if found["energy_kwh"] is not None else ""
    money += f" Price: {_known(found['money'])}." if priced else ""
    memory = found["memory"]
    typer.echo(
        f"{name} on {found['gpu']}: {found['hours']} hours.{money} Assumed: {prompt_tokens or PROMPT_TOKENS} tokens of a "
        f"prompt, {completion_tokens or COMPLETION_TOKENS} of a sample."
    )
    typer.echo(
        f"GPU memory: at least {memory['least_gib']} GiB of {memory['usable_gib']} GiB that vLLM uses, "
        f"{'enough' if memory['fits'] else 'not enough'} (server.tensor_parallel {settings.server.tensor_parallel})."
    )
    rows = [[*each.values()] for each in found["benchmarks"]]
    _table(["benchmark", "requests", "samples", "prompt tokens", "completion tokens", "hours"], rows)


def measure(
    model: Annotated[str, typer.Option(help="Name under which the servers serve the model.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="JSON file to write.")],
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Base URL of a server; may be repeated. [default: OPENAI_BASE_URL]"),
    ] = None,
    in_flight: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Number of requests in flight; may be repeated. [default: 1, 4, 16 and 64]"),
    ] = None,
    prompt_words: Annotated[
        int, typer.Option(min=40, help="Length of a long prompt, in words of one or two tokens.")
    ] = 600,
    completion_tokens: Annotated[int, typer.Option(min=1, help="Length of a completion, in tokens.")] = 64,
    watts: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=LARGEST,
            help="Power of the servers' machine, in watts. [default: measured if it is this one]",
        ),
    ] = None,
) -> None:
    """Measure the throughput of running servers: prompts and completions per second, by requests in flight.

    Run nothing else beside it. Energy is measured if the servers run on this machine and its counters can be read: RAPL
    (as root) and NVML (with the package nvidia-ml-py).

    Example: selfalign plan measure throughput.json --endpoint http://127.0.0.1:8000/v1 --model base
    """
    from selfalign.client import default_endpoints
    from selfalign.core.jsonl import write_json
    from selfalign.plan import throughput

    found = throughput.measure(
        endpoint or default_endpoints(),
        model,
        in_flight=in_flight or (1, 4, 16, 64),
        prompt_words=prompt_words,
        completion_tokens=completion_tokens,
        watts=watts,
    )
    write_json(out, found)
    names = ("in_flight", *throughput.RATES, "watts")
    _table(
        [name.removesuffix("_per_s") for name in names],
        [[_known(load[name]) for name in names] for load in found["loads"]],
    )
    typer.echo(
        f"Tokens per second; written to {out}. Energy: {', '.join(found['energy']['sources']) or 'not known'}."
    )


def _pace(settings: Config, throughput: Path | None, servers: int, tokens_per_s: float | None) -> Pace | None:
    """Return the measured throughput, if one is given."""
    from selfalign.core.errors import ConfigError
    from selfalign.plan.throughput import Pace, read_loads

    if throughput is None:
        if servers > 1:
            raise ConfigError("--servers needs --throughput, the throughput of one of the servers")
        return None
    if tokens_per_s is not None:
        raise ConfigError("--throughput conflicts with --tokens-per-s; give one of them")
    grouped = settings.generation.mode == "grouped"
    return Pace(read_loads(throughput), settings.client.max_in_flight, grouped, servers)


def _known(value: Any) -> Any:
    return "not known" if value is None else value


def _gpu(name: str) -> Any:
    from selfalign.core.errors import ConfigError
    from selfalign.core.gpus import GPUS

    if name not in GPUS:
        raise ConfigError(f"GPU '{name}': expected one of {', '.join(GPUS)}")
    return GPUS[name]


def _shape(name: str) -> Shape:
    """Return the shape of a model; for a size alone, only the number of parameters."""
    from selfalign.plan.training import Shape, read_shape

    size = re.fullmatch(r"(\d+(?:\.\d+)?)[bB]", name)
    if not size:
        return read_shape(name)
    count = round(float(size[1]) * 1e9)
    return Shape(
        count, ((count,),), layers=1, hidden=0, intermediate=0, key_values=0, vocabulary=0, gated=False
    )


def _configured_model(settings: Config) -> str:
    model = settings.model
    if model.source == "embedded":
        return EMBEDDED_PARAMETERS
    return model.path or (model.id or "").rsplit("/", 1)[-1]


def _show(found: dict[str, Any]) -> None:
    typer.echo(f"Tokens: {found['tokens']}. Hardware: {found['gpu']}.")
    if "rounds" in found:
        typer.echo(f"All figures are for {found['rounds']} rounds; a run that stops earlier costs less.")
    if found["measured_tokens_per_s"]:
        typer.echo(
            f"Measured throughput of the run's servers: {found['measured_tokens_per_s']} tokens/s "
            "(pass it as --tokens-per-s to plan with it)."
        )
    names = [name for name in found["plans"][0] if name != "stages"]
    plans = [[_known(plan[name]) for name in names] for plan in found["plans"]]
    _table(
        ["", *(str(plan[0]) for plan in plans)], list(zip(names[1:], *(p[1:] for p in plans), strict=True))
    )
    for plan in found["plans"]:
        typer.echo(f"\nStages of {plan['model']}:")
        rows = [[name, *map(_known, cost.values())] for name, cost in plan["stages"].items()]
        _table(["stage", "hours", "energy kWh", "money"], rows)


def _table(columns: list[str], rows: list[Any]) -> None:
    def text(value: Any) -> str:
        return f"{value:,}" if isinstance(value, int | float) else str(value)

    cells = [columns, *([text(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        typer.echo("  ".join([first, *others]).rstrip())
