"""What reruns when the library changes: for every module, the exact set of rules."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.workflow.flow import since
from tests.workflow.harness import ROOT

from selfalign.core.fingerprint import CodeFingerprints

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1500)]

# Module, or package of modules (the longest name that fits counts): the first rules that its change reruns.
EVERYTHING = ("fetch_package", "base_model", "program_environment")
MODULES: dict[str, tuple[str, ...]] = {
    "selfalign": (),  # holds the version
    "selfalign.__main__": (),
    "selfalign.cli": (),
    "selfalign.core": EVERYTHING,
    "selfalign.core.build_state": (),
    "selfalign.core.config": (),  # its effect is in the values of the parameters
    "selfalign.core.fingerprint": (),
    "selfalign.core.chat": ("sanitize_raw", "benchmark_samples"),
    "selfalign.core.checkpoint": ("base_model",),
    "selfalign.core.energy": ("concepts",),  # in metrics
    "selfalign.core.gpus": ("train",),  # in metrics
    "selfalign.core.host": ("provenance",),
    "selfalign.core.code_blocks": ("collect_functions",),  # searched for a benchmark's text
    "selfalign.core.hashing": ("collect_functions", "base_model", "program_environment"),
    "selfalign.core.job": (),  # around every job, in none of its outputs
    "selfalign.core.process": (
        "check_functions",
    ),  # environment of the type checker; end of servers and trainings
    "selfalign.core.lineage": ("collect_functions",),
    "selfalign.core.model_config": ("train",),
    "selfalign.core.filtering": ("collect_functions",),
    "selfalign.core.instructions": ("sanitize_raw",),
    "selfalign.core.prompt_template": ("concepts",),
    "selfalign.benchmarks": ("collect_functions", "references"),  # what seeds are kept apart from
    "selfalign.benchmarks.self_tests": ("references",),
    "selfalign.downloads": (),
    "selfalign.program_environments": ("check_functions", "program_environment"),
    "selfalign.hub": ("fetch_package", "base_model"),
    "selfalign.contamination": ("collect_functions",),
    "selfalign.contamination.functions": (),  # decontamination by execution is off
    "selfalign.client": ("concepts", "benchmark_samples"),
    "selfalign.client.progress": ("concepts",),
    "selfalign.completion_cache": ("concepts", "benchmark_samples"),
    "selfalign.completion_cache.maintenance": (),
    "selfalign.serving": ("concepts", "benchmark_samples"),
    "selfalign.serving.supervisor": (),  # started by the jobs as a program of its own; decides no bytes
    "selfalign.sandbox": ("execute", "references"),
    "selfalign.sandbox.cache": ("execute",),
    "selfalign.sandbox.bridge": (),
    "selfalign.sandbox.server": (),
    "selfalign.model": ("base_model",),
    "selfalign.plan": (),
    "selfalign.provenance": ("provenance",),
    "selfalign.doctor": (),
    "selfalign.seeds": EVERYTHING[:1],
    "selfalign.dedup": ("deduplicate_functions",),
    "selfalign.seeds.check": ("check_functions",),
    "selfalign.seeds.duplicates": ("deduplicate_functions",),
    "selfalign.seeds.extract": ("collect_functions",),
    "selfalign.seeds.filters": ("collect_functions",),
    "selfalign.seeds.imports": ("check_functions",),
    "selfalign.seeds.isolate": ("collect_functions",),
    "selfalign.seeds.judge": (),  # the judge is off
    "selfalign.seeds.minhash_cuts": (),  # near_duplicates.by is memory
    "selfalign.seeds.minhash_nodes": (),
    "selfalign.seeds.pool": ("collect_functions",),  # reads the rows of seeds
    "selfalign.seeds.start": (),  # the run starts with seeds
    "selfalign.seeds.statistics": ("seed_statistics",),
    "selfalign.seeds.collect": ("collect_functions",),
    "selfalign.seeds.typecheck": ("check_functions",),
    "selfalign.generate": ("concepts",),
    "selfalign.generate.instruction_filter": ("filter_instructions",),
    "selfalign.execute": ("execute",),
    "selfalign.curate": ("sanitize_raw",),
    "selfalign.curate.card": ("dataset_card",),
    "selfalign.curate.code": ("nontrivial_tests",),
    "selfalign.curate.consensus": (),  # is off
    "selfalign.curate.decontaminate": ("decontaminate",),
    "selfalign.curate.duplicates": ("select",),
    "selfalign.curate.export": ("dataset",),
    "selfalign.curate.hold_out": (),  # is off
    "selfalign.curate.matrix": (),  # is off
    "selfalign.curate.preferences": (),  # is off
    "selfalign.curate.push": (),
    "selfalign.curate.quality": ("select",),
    "selfalign.curate.select": ("select",),
    "selfalign.curate.self_tests": (),  # is off
    "selfalign.curate.subset": (),  # no learning curve
    "selfalign.curate.trace": (),
    "selfalign.curate.mutation": ("nontrivial_tests",),
    "selfalign.train": ("train",),
    "selfalign.train.prefer": (),  # preferences are off
    "selfalign.respond": (),
    "selfalign.evaluate": ("benchmark_samples",),
    "selfalign.evaluate.__init__": ("benchmark_samples", "references"),
    "selfalign.evaluate.sample_sets": (),
    "selfalign.evaluate.learning_curve": (),
    "selfalign.evaluate.checkpoint_scores": (),  # only the last checkpoint is scored
    "selfalign.evaluate.ground_truth": ("references",),
    "selfalign.evaluate.harness": ("references",),
    "selfalign.evaluate.references": ("references",),
    "selfalign.evaluate.model_card": ("model_card",),
    "selfalign.evaluate.solutions": (),  # decontamination by execution is off
    "selfalign.evaluate.published_verdicts": ("references",),
    "selfalign.evaluate.reproduction": (),
    "selfalign.evaluate.result_comparison": (),  # as solutions
    "selfalign.evaluate.rounds": (),
    "selfalign.evaluate.samples": ("references",),
    "selfalign.evaluate.score": ("references",),
    "selfalign.evaluate.scorers": ("references",),
    "selfalign.evaluate.scoring": ("references",),
    "selfalign.evaluate.statistics": ("references",),
    "selfalign.report": ("report",),
    "selfalign.report.__init__": ("funnel",),
    "selfalign.report.compare": (),
    "selfalign.report.funnel": ("funnel",),
}


def source_of(module: str) -> str:
    """Return a module's file, below the directory of the sources."""
    base = module.removesuffix(".__init__").replace(".", "/")
    package = module == "selfalign" or module.endswith(".__init__") or (ROOT / "src" / base).is_dir()
    return f"{base}/__init__.py" if package else f"{base}.py"


def library_modules() -> list[str]:
    """Return all modules of the library, a package by its ``__init__``."""
    paths = (path.relative_to(ROOT / "src") for path in (ROOT / "src/selfalign").rglob("*.py"))
    return sorted(".".join(path.with_suffix("").parts) for path in paths)


def first_rules(module: str) -> tuple[str, ...]:
    """Return the entry of the table for `module`."""
    name = module
    while name not in MODULES:
        name = name.rpartition(".")[0]
    return MODULES[name]


@pytest.fixture(scope="module")
def stale_by_module(finished, tmp_path_factory):
    """The rules that rerun after an edit of each module.

    An edit reaches Snakemake through the fingerprints of the scripts alone: an edit of several scripts reruns what edits
    of each of them rerun, so one dry run is made for each script.
    """
    directory = tmp_path_factory.mktemp("modules")
    builds = [finished.copy(directory / name) for name in ("one", "two")]
    scripts = sorted((builds[0].directory / "scripts").glob("[a-z]*.py"))
    sources = builds[0].directory / "src"

    def fingerprints() -> list[str]:
        code = CodeFingerprints(sources, builds[0].directory / "prints.json")
        found = [code.of(script) for script in scripts]
        code.save()
        return found

    before = fingerprints()
    changed: dict[str, list[str]] = {}
    for module in library_modules():
        with edited(sources / source_of(module)):
            pairs = zip(scripts, before, fingerprints(), strict=True)
            changed[module] = [script.name for script, old, new in pairs if old != new]

    def dry_runs(build, share):
        for name in share:
            with edited(build.directory / "scripts" / name):
                yield name, build.stale_rules()

    names = sorted({name for each in changed.values() for name in each})
    with ThreadPoolExecutor(len(builds)) as threads:
        jobs = [
            threads.submit(lambda b, s: dict(dry_runs(b, s)), build, names[i :: len(builds)])
            for i, build in enumerate(builds)
        ]
        by_script = {name: rules for job in jobs for name, rules in job.result().items()}
    return {module: set().union(*(by_script[name] for name in names)) for module, names in changed.items()}


@contextmanager
def edited(path: Path):
    """Add a statement to a file for a while. Its time is restored too, which Snakemake compares for scripts."""
    before, status = path.read_text(), path.stat()
    path.write_text(f"{before}\nEDITED = True\n")
    yield
    path.write_text(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("module", library_modules())
def test_an_edited_module_reruns_exactly(stale_by_module, module):
    assert stale_by_module[module] == since(*first_rules(module))


def test_every_entry_is_of_a_module():
    names = {*library_modules(), *(each.removesuffix(".__init__") for each in library_modules())}
    assert [name for name in MODULES if name not in names] == []


def test_a_docstring_or_a_comment_reruns_nothing(finished, tmp_path):
    build = finished.copy(tmp_path / "copy")
    for module in ("core/jsonl.py", "curate/sanitize.py"):
        path = build.directory / "src/selfalign" / module
        head, sep, rest = path.read_text().partition('"""\n')
        assert sep, "the module begins with a docstring"
        path.write_text(f"{head} More of it.{sep}# A comment.\n{rest}")
    assert build.stale_rules() == set()
