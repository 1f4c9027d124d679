"""Snakemake's own report, and runs of two presets side by side: made by the workflow, looked at in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from tests.workflow.harness import Build

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

CATEGORIES = ("Overview", "Seeds", "Data set", "Training", "Scores")
CAPTIONS = (
    "A run of the self-alignment pipeline",
    "Rows read, kept and dropped by every step of the build, with reasons",
    "The run on one page: scores with confide",
    "Loss, learning rate, gradient norm",
)
PRESET = "selection-failing"


def seen_in(browser: Any, path: Any, act: Any = None) -> tuple[str, list[str], list[str]]:
    """Open a page; return its text, its errors, and the addresses it asked for."""
    errors: list[str] = []
    asked: list[str] = []
    tab = browser.new_page()
    tab.on("console", lambda message: message.type == "error" and errors.append(message.text))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    if act:
        act(tab)
    text = tab.inner_text("body")
    tab.close()
    return text, errors, [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="module")
def snakemake_report(finished, tmp_path_factory):
    """Snakemake's report of the finished build, made where no network is if that can be had."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    can_unshare = (
        shutil.which("unshare") and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode
    )
    command = [*(["unshare", "-rn"] if can_unshare else []), *finished.command("--report", str(path))]
    done = subprocess.run(
        command,
        cwd=finished.directory,
        env=finished.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return path


def test_snakemakes_report_has_captions_categories_and_labels(snakemake_report):
    text = snakemake_report.read_text()
    for part in (*CATEGORIES, *CAPTIONS, "the run on one page"):
        assert part in text, part


def test_snakemakes_report_opens_without_a_network(browser, snakemake_report):
    def act(tab):
        tab.get_by_text("Data set").first.click()
        tab.get_by_role("columnheader", name="file").wait_for()
        for label in ("card", "checksums", "rows"):
            assert tab.get_by_role("cell", name=label, exact=True).count() == 1, label

    text, errors, asked = seen_in(browser, snakemake_report, act)
    assert errors == []
    assert asked == []
    assert "A run of the self-alignment pipeline" in text


@pytest.fixture(scope="module")
def preset_build(finished, tmp_path_factory) -> Build:
    """A copy in which another preset's run is finished too.

    It starts from the first run's files, so that only what the preset is about is made again.
    """
    build = finished.copy(tmp_path_factory.mktemp("compare") / "copy")
    results = build.directory / "results"
    shutil.copytree(results / "tiny", results / PRESET, symlinks=True)
    done = build.snakemake("--forcerun", "sanitize_raw", more=[f"presets/scenarios/{PRESET}.yaml"])
    assert done.returncode == 0, done.stdout[-4000:]
    return build


def test_runs_of_two_presets_stand_side_by_side(preset_build, browser):
    done = preset_build.snakemake("compare", config={"report": {"compare": ["tiny", PRESET]}})
    assert done.returncode == 0, done.stdout[-4000:]
    page = preset_build.directory / "results/compare/index.html"
    text, errors, asked = seen_in(browser, page)
    assert errors == asked == []
    assert re.search(r"curation\.responses\s+passing\s+failing", text)
    funnels = [
        {step["step"]: step for step in json.loads((preset_build.directory / path).read_text())["steps"]}
        for path in ("results/tiny/report/funnel.json", f"results/{PRESET}/report/funnel.json")
    ]
    ours, theirs = (funnel["sanitize_raw"] for funnel in funnels)
    assert ours["in"] + theirs["in"] == funnels[0]["execute"]["in"], "what does not pass, fails"
    assert re.search(rf"sanitize_raw\s+{ours['out']}\s+{theirs['out']}\s", text)
    configuration = yaml.safe_load((page.parents[1] / PRESET / "report/configuration.yaml").read_text())
    assert configuration["curation"]["responses"] == "failing"


def test_a_run_that_is_not_finished_is_not_compared(preset_build):
    done = preset_build.snakemake("compare", config={"report": {"compare": ["tiny", "nothing"]}})
    assert done.returncode == 1
    assert "results/nothing/report/funnel.json" in done.stdout
