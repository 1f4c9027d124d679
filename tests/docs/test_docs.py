"""The documentation holds: pages build strictly, links and files are there, commands exist, references agree."""

import json
import pkgutil
import re
import shlex
import subprocess
import sys

import pytest
import typer
from tests.loading import load_module

from selfalign.cli import build_app
from selfalign.core.config import Config
from selfalign.core.config.document import reference_markdown

PLACES = (
    *("presets", "profiles", "rules", "scripts", "benchmarks", "envs", "containers", "prompts", "src"),
    *("schemas", "findings", "tests", "docs"),
)
# Files of other projects that a page names.
FOREIGN_FILES = {"fsdp_utils.py"}


def pages(root):
    elsewhere = (
        "README.md",
        "CONTRIBUTING.md",
        "containers/sandbox/README.md",
        "presets/scenarios/README.md",
    )
    return [*sorted((root / "docs").rglob("*.md")), *(root / page for page in elsewhere)]


def leaves(values, prefix=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_pages_build_and_every_link_is_there(root, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "site/tutorial/index.html").exists()
    html = (tmp_path / "site/index.html").read_text()
    assert not re.search(r'(?:src|href)="https?://(?:fonts|cdn|unpkg)', html)


def test_the_reference_of_the_configuration_agrees_with_the_models(root):
    assert (root / "docs/reference/configuration.md").read_text() == reference_markdown(), (
        "run `make generated`"
    )


def test_the_reference_has_every_key_with_a_meaning():
    text = reference_markdown()
    for key in leaves(Config().model_dump()):
        row = re.search(rf"^\| `{re.escape(key)}` \|.*\|.*\| (.+) \|$", text, re.MULTILINE)
        assert row, key
        assert len(row[1]) > 10, key


@pytest.fixture(scope="module")
def generate(root):
    """The module that makes the reference pages."""
    return load_module(root / "docs/generate.py")


def test_the_reference_of_the_figures_agrees_with_the_recorded_results(root, generate):
    text = generate.figures_markdown()
    assert (root / "docs/reference/figures.md").read_text() == text, "run `make generated`"
    for recorded in (root / "benchmarks/results").glob("*.json"):
        assert f"\n## {recorded.stem}\n" in text
        assert (root / f"benchmarks/{recorded.stem}.py").exists()


def test_every_leaf_of_a_result_is_a_figure_and_its_circumstances_are_told(generate, tmp_path):
    values = {"quick": True, "machine": {"cores": 2}, "ratio": {"a": 1.5, "b": [1, 2]}, "conditions": "busy"}
    (tmp_path / "seeds.json").write_text(json.dumps(values))
    text = generate.figures_markdown(tmp_path)
    assert "| `ratio.a` | 1.5 |\n| `ratio.b` | 1, 2 |\n" in text
    assert "`python benchmarks/seeds.py --json --quick`" in text
    assert "- machine: cores 2\n- conditions: busy\n" in text


def test_the_reference_of_the_commands_agrees_with_them(root, generate):
    text = generate.commands_markdown()
    assert (root / "docs/reference/commands.md").read_text() == text, "run `make generated`"
    for name in (
        "respond",
        "completion-cache inspect",
        "plan",
        "plan published",
        "doctor",
        "report",
        "compare",
    ):
        assert re.search(rf"^#+ selfalign {name}$", text, re.MULTILINE), name


def commands_in(page):
    """Yield the words of every line of a shell block that begins with ``selfalign``."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["selfalign"]:
                yield words[1:]


def test_every_command_in_a_page_exists_with_its_options(root):
    top = typer.main.get_command(build_app())
    seen = 0
    for page in pages(root):
        for words in commands_in(page):
            command, rest = top, list(words)
            while rest and rest[0] in getattr(command, "commands", {}):
                command = command.commands[rest.pop(0)]
            known = {opt for parameter in command.params for opt in parameter.opts} | {"--help"}
            for word in rest:
                assert not word.startswith("--") or word.split("=")[0] in known, f"{page}: {words}"
            assert command is not top or words == ["--help"], f"{page}: {words}"
            seen += 1
    assert seen > 5


def test_every_configuration_key_in_a_page_exists(root):
    keys = set(leaves(Config().model_dump()))
    sections = {key.split(".")[0] for key in keys if "." in key}
    known = keys | {key.rsplit(".", depth)[0] for key in keys for depth in range(1, key.count(".") + 1)}
    seen = 0
    for page in pages(root):
        if page.parent.name == "reference":
            continue
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)+)(?:: [^`]*)?`", page.read_text()):
            if name.split(".")[0] in sections and not name.endswith((".jsonl", ".json", ".py", ".yaml")):
                assert name in known, f"{page.relative_to(root)} names {name}"
                seen += 1
    assert seen > 20


def test_every_module_and_function_a_page_names_is_there(root):
    seen = 0
    for page in pages(root):
        for name in re.findall(
            r"(?<![\w./-])selfalign(?:_snakemake)?(?:\.[a-zA-Z_]\w*)+(?![\w(])", page.read_text()
        ):
            if not name.endswith(".json"):
                assert pkgutil.resolve_name(name), f"{page.relative_to(root)} names {name}"
                seen += 1
    assert seen > 20


def test_every_python_file_a_page_names_without_its_directory_is_there(root):
    there = {path.name for place in PLACES for path in (root / place).rglob("*.py")} | FOREIGN_FILES
    for page in pages(root):
        for name in re.findall(r"`(\w+\.py)`", page.read_text()):
            assert name in there, f"{page.relative_to(root)} names {name}"


def test_the_tree_in_the_readme_is_that_of_the_repository(root):
    tree = re.search(
        r"^```text\n(Snakefile .*?)^```", (root / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert tree
    parents: list[str] = []
    named = set()
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth:] = [line.split()[0]]
        path = root / "/".join(parents)
        assert (
            path.is_dir()
            if line.split()[0].endswith("/")
            else path.exists() or path.with_suffix(".py").exists()
        ), line
        named.add("/".join(each.strip("/") for each in parents))
    parts = {path.stem for path in (root / "src/selfalign").iterdir() if not path.name.startswith("__")}
    assert parts == {each.rsplit("/", 1)[1] for each in named if each.startswith("src/selfalign/")}
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines() if "/" in line and not line.startswith(".")}
    assert top <= named


def test_the_walk_names_every_rule_with_its_script(root):
    text = "\n".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    script = r"^ *rule (\w+):.*?^ *script:\n *\"\.\./(scripts/\w+\.py)\""
    rules = dict(re.findall(script, text, re.MULTILINE | re.DOTALL))
    for inherited, name in re.findall(r"^ *use rule (\w+) as (\w+)", text, re.MULTILINE):
        rules[name] = rules[inherited]
    text = (root / "docs/explanation/design.md").read_text()
    rows = re.findall(r"^\| (`[^|]+) \| (`scripts/[^|]+) \|", text, re.MULTILINE)
    assert len(rows) > 15
    for names, scripts in rows:
        found = [rules.get(name) for name in re.findall(r"\w+", names)]
        assert found == re.findall(r"scripts/\w+\.py", scripts), names


@pytest.mark.parametrize("place", PLACES)
def test_every_file_a_page_names_is_there(root, place):
    for page in pages(root):
        for name in re.findall(rf"(?<![\w/.-])({place}/[\w./-]*\w)", page.read_text()):
            assert (root / name).exists() or "…" in name, f"{page.relative_to(root)} names {name}"


def test_every_preset_key_in_yaml_blocks_is_valid(root):
    """YAML blocks that are configurations are, but for the placeholders of commit hashes."""
    import yaml

    from selfalign.core.config import load_config

    seen = 0
    for page in pages(root):
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            load_config(yaml.safe_load(block.replace("<commit hash>", "c0ffee" * 6)))
            seen += 1
    assert seen >= 4


def test_the_citation_is_of_this_version(root):
    import yaml

    from selfalign import __version__

    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert {"cff-version", "title", "message", "authors"} <= citation.keys()
    assert citation["version"] == __version__
    assert f"## {__version__}" in (root / "CHANGELOG.md").read_text()


def test_github_runs_what_contributors_run(root):
    assert "run: bash .ci/run" in (root / ".github/workflows/ci.yml").read_text()
    assert (root / ".ci/run").read_text().rstrip().endswith("make test")
