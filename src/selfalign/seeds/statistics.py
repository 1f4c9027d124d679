"""Statistics of the seeds: functions per file, lengths, imports, licences, drops; quantiles and histograms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from selfalign.core.filtering import merge_counts
from selfalign.core.jsonl import Record, read_json, read_jsonl, write_json
from selfalign.core.lineage import seed_origin

BINS = 20
MOST_COMMON = 30

_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)
_IMPORT = re.compile(r"^\s*(?:from\s+(\w+)[\w.]*\s+import|import\s+(\w+))", re.MULTILINE)


def write_statistics(
    pool: str | Path, found: Sequence[str | Path], counts: Iterable[str | Path], out: str | Path
) -> None:
    """Write the statistics of a run's seeds.

    Args:
        pool: JSON Lines file of the pool.
        found: JSON Lines files of the extracted functions, kept or dropped by the text filters.
        counts: JSON files of the counts of the steps.
        out: JSON file of the statistics.
    """
    write_json(
        out,
        {
            "found": describe(row for path in found for row in read_jsonl(path) if "seed" in row),
            "pool": describe(read_jsonl(pool)),
            "verdicts": _verdicts(counts),
        },
    )


def describe(rows: Iterable[Record]) -> dict[str, Any]:
    """Return statistics of functions: lengths in lines and characters, imports, licences, functions per file.

    Args:
        rows: seeds.
    """
    lines: list[int] = []
    characters: list[int] = []
    docstrings: list[int] = []
    files: Counter[tuple[str, str]] = Counter()
    imports: Counter[str] = Counter()
    licenses: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    for row in rows:
        text = row["seed"]
        origin = seed_origin(row)
        lines.append(text.count("\n") + 1)
        characters.append(len(text))
        found = _DOCSTRING.search(text)
        docstrings.append(len(found[1].strip()) if found else 0)
        source = origin.get("package") or origin.get("repository") or origin.get("dataset") or ""
        files[source, str(row.get("path", ""))] += 1
        packages[f"{source} {origin.get('version') or ''}".strip() or "unknown"] += 1
        imports.update({one or other for one, other in _IMPORT.findall(text)})
        licenses[origin.get("license") or "unknown"] += 1
    return {
        "functions": len(lines),
        "files": len(files),
        "functions_per_file": summarise(list(files.values())),
        "lines": summarise(lines),
        "characters": summarise(characters),
        "docstring_characters": summarise(docstrings),
        "imports": _most_common(imports),
        "licenses": _most_common(licenses),
        "packages": _most_common(packages),
    }


def summarise(values: Sequence[int]) -> dict[str, Any]:
    """Return quantiles and a histogram; ``edges`` has one number more than ``heights``.

    Args:
        values: the numbers to summarise.
    """
    if not values:
        return {"quantiles": {}, "histogram": {"edges": [], "heights": []}}
    shares = (0, 0.25, 0.5, 0.75, 0.95, 1)
    heights, edges = np.histogram(values, bins=BINS)
    return {
        "quantiles": {str(share): round(float(np.quantile(values, share)), 2) for share in shares},
        "histogram": {"edges": [round(float(edge), 2) for edge in edges], "heights": heights.tolist()},
    }


def _most_common(counter: Counter[str]) -> dict[str, int]:
    """Return the most frequent names, ties in alphabetical order."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:MOST_COMMON])


def _verdicts(counts: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Return the counts of each step, summed over the units."""
    steps: dict[str, list[dict[str, Any]]] = {}
    for path in counts:
        content = read_json(path)
        for part in content if isinstance(content, list) else [content]:
            steps.setdefault(part["step"], []).append(part)
    return [merge_counts(step, parts) for step, parts in steps.items()]
