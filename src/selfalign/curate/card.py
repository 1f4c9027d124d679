"""Data set card: Markdown with a YAML header, with numbers from the files of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.config.curation import ExportConfig
from selfalign.core.hashing import json_sha256
from selfalign.core.jsonl import Record, atomic_path, read_json, read_jsonl
from selfalign.core.lineage import seed_origin
from selfalign.curate.rows import KILL_RATE

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

CARD = """\
---
{head}---

# {title}

{rows} pairs of an instruction and a response with Python code. A model wrote them, starting from functions of
the sources below; every response {verdict}. Made with selfalign {version}.

## Fields

`instruction` and `response` are the pair. The other fields are its history: `seed` (the function it began with),
`concepts`, `prompt` and `fingerprint` (of the last request), and `lineage`: origin and licence of the seed, every
prompt's key, the sample's number, verdict and image of the sandbox, and every transformation. In Parquet,
`lineage` is JSON text. `selfalign trace ROW` prints the story of a row.

"""
PREFERENCE_CARD = """\
---
{head}---

# {title}: preferences

{rows} pairs of responses with Python code to the same instruction. A model wrote them, starting from functions of the
sources below; the code of the rejected response failed tests that the code of the chosen one passed. Made with selfalign
{version}.

## Fields

`instruction`, `chosen` and `rejected` are the pair, as texts without a chat template. `index` is the number of the seed, and
`lineage` the history of the chosen response; `lineage.preference` names both responses (`INDEX.SAMPLE`), the responses whose
tests each of them passes and the rejected one fails, the group of responses that agree with the chosen one, and the request of
the rejected one. In Parquet, `lineage` is JSON text.

## Pairs

The implementation of every response ran with the tests of every response to the same instruction. Implementations that pass the
same tests form a group, whose score is the number of its implementations times the number of these tests (CodeT; Chen et al.
2022, arXiv:2207.10397). The chosen response is a row of the data set, in the group with the highest score. A rejected response
fails at least one of the tests that this group passes; or its own, if none of these fits its names. It has passed the filters
and the decontamination of the rows, and has the same sections as the chosen one. Instructions without such responses have no
pair; the step `preferences` of the funnel counts them.

"""
HISTORY = """\
## Sources of the seeds

{sources}

The licence of a source applies to the seeds taken from it; it is in each row's `lineage.seed`.

## Model

Instructions and responses were written by {model} ({identities}). Its licence may bind what is done with them.

## Funnel

| stage | step | in | kept | dropped, by reason |
|---|---|---:|---:|---|
{funnel}

{kill_rates}## Decontamination

{decontamination}

## How to rebuild

Run `snakemake --cores all {target}` of selfalign {version} with this configuration (SHA-256
`{configuration_sha256}`): the same completions give the same bytes, which `sha256sum -c SHA256SUMS` checks.

```yaml
{configuration}```
"""


def write_card(
    out: str | Path,
    *,
    splits: Mapping[str, str | Path],
    funnel: str | Path,
    settings: ExportConfig,
    model: str,
    configuration: Mapping[str, Any],
    benchmarks: Iterable[Mapping[str, Any]],
    responses: str = "passing",
) -> None:
    """Write the data set card.

    Args:
        out: Markdown file.
        splits: JSON Lines file of each split, by name; the Parquet files have the same names.
        funnel: JSON file of the counts of all steps (``report/funnel.json``).
        settings: title and licence of the data set.
        model: name of the model.
        configuration: the configuration that determines the rows (:func:`row_configuration`), printed in full.
        benchmarks: name and version of the benchmarks of the decontamination.
        responses: which responses were used (``curation.responses``).
    """
    from selfalign import __version__

    found = [_Split.of(path) for path in splits.values()]
    counts = {name: split.rows for name, split in zip(splits, found, strict=True)}
    rates = [rate for split in found for rate in split.kill_rates]
    start = configuration.get("start", {})
    head = _head(settings, counts, ("code", "instruction-tuning", "self-alignment", "synthetic"))
    text = CARD.format(
        head=head,
        title=settings.title,
        rows=" and ".join(f"{count:,} ({name})" for name, count in counts.items()),
        verdict={
            "passing": "passed its own tests in a sandbox",
            "failing": "failed its own tests in a sandbox (an ablation)",
            "random": "was taken whether or not it passed its own tests (an ablation)",
        }[responses]
        if not start or start["stage"] not in ("filtered", "dataset")
        else f"was imported with its row of {_imported(start)}",
        version=__version__,
    ) + _history(
        found,
        target="dataset/README.md",
        steps=read_json(funnel)["steps"],
        model=model,
        configuration=configuration,
        benchmarks=benchmarks,
        kill_rates=_kill_rates(rates),
    )
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_preference_card(
    out: str | Path,
    *,
    pairs: str | Path,
    funnel: str | Path,
    settings: ExportConfig,
    model: str,
    configuration: Mapping[str, Any],
    benchmarks: Iterable[Mapping[str, Any]],
) -> None:
    """Write the card of the data set of preferences.

    Args:
        out: Markdown file.
        pairs: JSON Lines file of the pairs; the Parquet file has the same name.
        funnel: JSON file of the counts of all steps (``report/funnel.json``).
        settings: title and licence of the data set.
        model: name of the model.
        configuration: the configuration that determines the pairs, printed in full.
        benchmarks: name and version of the benchmarks of the decontamination.
    """
    from selfalign import __version__

    found = _Split.of(pairs)
    text = PREFERENCE_CARD.format(
        head=_head(
            settings, {"train": found.rows}, ("code", "preference", "dpo", "self-alignment", "synthetic")
        ),
        title=settings.title,
        rows=f"{found.rows:,}",
        version=__version__,
    ) + _history(
        [found],
        target="preferences/README.md",
        steps=read_json(funnel)["steps"],
        model=model,
        configuration=configuration,
        benchmarks=benchmarks,
    )
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


@dataclass
class _Split:
    """What a card says about the rows of a file: their number, sources, models, and kill rates of their tests."""

    rows: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    identities: Counter[str] = field(default_factory=Counter)
    kill_rates: list[float | None] = field(default_factory=list)

    @classmethod
    def of(cls, path: str | Path) -> _Split:
        found = cls()
        for row in read_jsonl(path):
            found.rows += 1
            found.sources[seed_source(row)] += 1
            if KILL_RATE in row:
                found.kill_rates.append(row[KILL_RATE])
            found.identities[str(row.get("lineage", {}).get("response", {}).get("model", "unknown"))] += 1
        return found


def _imported(start: Mapping[str, Any]) -> str:
    return f"`{start['dataset']}` at revision {start['revision'] or 'none'}"


def _history(
    splits: Iterable[_Split],
    *,
    target: str,
    steps: Sequence[Mapping[str, Any]],
    model: str,
    configuration: Mapping[str, Any],
    benchmarks: Iterable[Mapping[str, Any]],
    kill_rates: str = "",
) -> str:
    """Return the sections of a card from the sources of the seeds to the configuration."""
    from selfalign import __version__

    sources: Counter[str] = Counter()
    identities: Counter[str] = Counter()
    for split in splits:
        sources += split.sources
        identities += split.identities
    start = configuration.get("start", {})
    if start and start["stage"] in ("responses", "filtered", "dataset"):
        model = f"the model that the card of {_imported(start)} names"
    return HISTORY.format(
        target=target,
        version=__version__,
        sources="\n".join(f"- {source}: {count:,} rows" for source, count in sorted(sources.items()))
        or "(no rows)",
        model=model,
        identities=", ".join(f"identity `{each}`" for each in sorted(identities)) or "no rows",
        funnel="\n".join(_funnel_row(step) for step in steps),
        kill_rates=kill_rates,
        decontamination=_decontamination(
            list(benchmarks), configuration["curation"]["decontamination"]["ngram"], steps
        ),
        configuration_sha256=json_sha256(configuration),
        configuration=yaml.safe_dump(dict(configuration), sort_keys=False, allow_unicode=True),
    )


def row_configuration(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that determines the rows, without paths and host names.

    Sections of stages before the one that the run starts at are left out.

    Args:
        configuration: the whole configuration.
    """
    start = configuration["start"]["stage"]
    sections = {
        "model": start not in ("responses", "filtered", "dataset"),
        "start": start is not None,
        "seeds": start is None,
        "generation": start != "dataset",
        "execution": start not in ("filtered", "dataset"),
        "curation": True,
    }
    keys = {key: dict(configuration[key]) for key, decides in sections.items() if decides}
    for section, others in (("execution", ("runtime", "image")), ("curation", ("export",))):
        if section in keys:
            keys[section] = {key: value for key, value in keys[section].items() if key not in others}
    return keys


def seed_source(row: Record) -> str:
    """Return the source of a row's seed as text: package, repository or data set, with version and licence.

    Args:
        row: a row of the data set.
    """
    seed = seed_origin(row)
    names = ("package", "dataset", "repository", "source")
    origin = next((seed[name] for name in names if name in seed), "unknown source")
    version = seed.get("version") or seed.get("revision")
    licence = seed.get("license", "unknown licence")
    return f"{origin}{f' {version}' if version else ''} ({licence})"


def _head(settings: ExportConfig, counts: Mapping[str, int], tags: Sequence[str]) -> str:
    total = sum(counts.values())
    head = {
        "pretty_name": settings.title,
        "language": ["en", "code"],
        "license": settings.license,
        "task_categories": ["text-generation"],
        "tags": list(tags),
        "size_categories": [next((size for limit, size in SIZES if total < limit), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"{name}.parquet"} for name in counts],
            }
        ],
    }
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True)


def _funnel_row(step: Mapping[str, Any]) -> str:
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in step["dropped"].items())
    return f"| {step['stage']} | {step['step']} | {step['in']:,} | {step['out']:,} | {dropped} |"


def _kill_rates(rates: Sequence[float | None]) -> str:
    """Return the section about mutation tests; empty if there were none."""
    known = [rate for rate in rates if rate is not None]
    if not known:
        return ""
    return (
        f"## Mutation tests\n\nThe tests of {len(known):,} rows ran on changed versions of their code (functions replaced by "
        "stubs, changed constants, comparisons and operators, removed branches). The column "
        f"`{KILL_RATE}` is the share that they reject: {sum(known) / len(known):.3f} on average, at least {min(known):.3f}. "
        "Some changes are equivalent to the original, so that no tests can reject them.\n\n"
    )


def _decontamination(
    benchmarks: Sequence[Mapping[str, Any]], ngram: int, steps: Sequence[Mapping[str, Any]]
) -> str:
    if not benchmarks:
        return "Not checked against any benchmark."
    names = ", ".join(f"{each['name']} {each['version']}" for each in benchmarks)
    dropped = sum(step["dropped"].get("contaminated", 0) for step in steps if step["step"] == "decontaminate")
    return (
        f"Instruction, response and code of every row were compared with the prompts, solutions and tests of {names}: "
        f"{ngram} words in a row, or all words of a shorter text, lower-cased and without punctuation. "
        f"{dropped:,} rows were dropped for it." + _decontamination_by_execution(steps)
    )


def _decontamination_by_execution(steps: Sequence[Mapping[str, Any]]) -> str:
    """Return what the execution of functions on benchmark tasks found; empty if it is off."""
    found = next((step for step in steps if step["step"] == "decontaminate_by_execution"), None)
    if found is None:
        return ""
    dropped = found["dropped"].get("solves_task", 0)
    return (
        " Functions of the rows were also run with the tests of the scored benchmarks whose tasks are functions: "
        f"{found['extra']['solving_rows']:,} rows had a function that solves a task; {dropped:,} were dropped for it."
    )
