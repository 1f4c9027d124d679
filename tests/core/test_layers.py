"""Imports go one way: command line and scripts, stages, services, core."""

import ast

import pytest

STAGES = {
    "curate",
    "doctor",
    "evaluate",
    "execute",
    "generate",
    "model",
    "plan",
    "provenance",
    "report",
    "respond",
    "seeds",
    "train",
}
SERVICES = {
    "benchmarks",
    "client",
    "contamination",
    "dedup",
    "downloads",
    "hub",
    "program_environments",
    "completion_cache",
    "sandbox",
    "serving",
}


def layer_of(part):
    return {"core": 0, "cli": 3, "__main__": 3}.get(part, 1 if part in SERVICES else 2)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (name.split(".") for name in names if name.startswith("selfalign."))


def test_every_part_is_known(root):
    parts = {p.name for p in (root / "src/selfalign").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert parts - {"core", "cli"} <= STAGES | SERVICES


@pytest.mark.parametrize("layer", ["core", "services", "stages"])
def test_imports_go_one_way(root, layer):
    wrong = []
    package = root / "src/selfalign"
    for path in sorted(package.rglob("*.py")):
        part = path.relative_to(package).parts[0].removesuffix(".py")
        if {"core": 0, "services": 1, "stages": 2}[layer] != layer_of(part) or part == "__init__":
            continue
        for _, target, *_ in imports_of(path):
            upward = layer_of(target) > layer_of(part)
            sideways = layer_of(part) == 2 and target in STAGES and target != part
            if upward or sideways:
                wrong.append(f"{path.relative_to(package)} imports {target}")
    assert wrong == []


def test_the_package_knows_nothing_of_snakemake(root):
    for path in (root / "src/selfalign").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert "snakemake" not in ast.unparse(node), path
