"""What a hub gives, refuses and breaks off, with its own libraries: commits, data files, checkpoints, the push."""

from __future__ import annotations

import hashlib
import io
import json
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.hub_server import TOKEN

from selfalign.core.checkpoint import CARD
from selfalign.core.jsonl import read_json, read_jsonl

pytestmark = pytest.mark.timeout(300)

FUNCTION = 'def f(x):\n    """Return what is given."""\n    return x\n'
SEEDS = b'{"seed": "a"}\n{"seed": "b"}\n'


def parquet(columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def one_line(done, text):
    """Assert that a command failed with one line, and that it says `text`."""
    assert done.returncode == 1, done.stderr
    [line] = [each for each in done.stderr.splitlines() if each.startswith("selfalign: error:")]
    assert "Traceback" not in done.stderr
    assert text in line


@pytest.fixture
def python(run):
    """Run statements in a process of its own; failures of ours are one line, as in a job."""

    def start(statements, **options):
        body = textwrap.indent(textwrap.dedent(statements), "    ")
        code = f"from selfalign.core.job import running_job\nwith running_job(None, 'INFO'):\n{body}"
        return run("-c", code, **options)

    return start


def test_a_branch_is_resolved_and_the_commit_is_said_and_stays_with_each_record(hub, selfalign, tmp_path):
    first = hub.commit("datasets", "me/seeds", {"seeds.jsonl": SEEDS})
    done = selfalign("seeds", "fetch", "me/seeds", "seeds.jsonl", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"me/seeds: commit {first}" in done.stderr
    rows = list(read_jsonl(tmp_path / "out.jsonl"))
    assert [row["seed"] for row in rows] == ["a", "b"]
    assert [row["lineage"]["seed"]["revision"] for row in rows] == [first, first]
    assert [row["lineage"]["seed"]["record"] for row in rows] == [0, 1]

    hub.commit("datasets", "me/seeds", {"seeds.jsonl": b'{"seed": "c"}\n'})
    hub.log.clear()
    done = selfalign("seeds", "fetch", "me/seeds", "seeds.jsonl", "out.jsonl", "--revision", first)
    assert done.returncode == 0, done.stderr
    assert [row["seed"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a", "b"]
    assert all(first in each.path for each in hub.log), "a commit is to be taken as it is"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("me/none", "seeds.jsonl"), "has no data set 'me/none' that you may read; check the id"),
        (("me/seeds", "none.jsonl"), "data set 'me/seeds' has no file 'none.jsonl' at revision"),
        (("me/seeds", "seeds.csv"), "seeds.csv: expected a name that ends in .parquet, .jsonl"),
        (
            ("me/seeds", "seeds.jsonl", "--revision", "v9"),
            "data set 'me/seeds' has no revision 'v9'; give a branch",
        ),
        (("me/seeds", "seeds.jsonl", "--revision", "0" * 40), f"has no revision '{'0' * 40}'"),
        (("me/a b", "seeds.jsonl"), "data set 'me/a b' is no id on a hub"),
    ],
)
def test_what_is_not_there_is_one_line(hub, selfalign, arguments, said):
    hub.commit("datasets", "me/seeds", {"seeds.jsonl": SEEDS, "seeds.csv": b"seed\na\n"})
    one_line(selfalign("seeds", "fetch", arguments[0], arguments[1], "out.jsonl", *arguments[2:]), said)


def test_a_gated_data_set_needs_its_terms_accepted_and_a_token(hub, selfalign, tmp_path):
    hub.commit("datasets", "big/stack", {"data/a.jsonl": SEEDS})
    hub.repositories["datasets", "big/stack"].gated = True
    command = ("seeds", "fetch", "big/stack", "data/a.jsonl", "out.jsonl")
    one_line(
        selfalign(*command),
        f"data set 'big/stack' is gated ({hub.url}/datasets/big/stack): accept its terms there and set HF_TOKEN",
    )
    one_line(selfalign(*command, token="hf_of_another"), "the account of your HF_TOKEN has no access")
    assert not (tmp_path / "out.jsonl").exists()
    assert selfalign(*command, token=TOKEN).returncode == 0
    assert len(list(read_jsonl(tmp_path / "out.jsonl"))) == 2


def test_a_hub_that_does_not_answer_or_fails_is_one_line(hub, selfalign):
    hub.commit("datasets", "me/seeds", {"seeds.jsonl": SEEDS})
    command = ("seeds", "fetch", "me/seeds", "seeds.jsonl", "out.jsonl")
    away = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    one_line(selfalign(*command, **away), "the hub http://127.0.0.1:9 cannot be reached")
    one_line(
        selfalign(*command, "--revision", "0" * 40, **away), "the hub http://127.0.0.1:9 cannot be reached"
    )
    one_line(selfalign(*command, HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE is set, and the hub's cache here")
    hub.status = 418
    one_line(selfalign(*command), f"the hub {hub.url} failed for data set 'me/seeds' (status 418); try again")


CHECKPOINT = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"first " * 200_000,
    "model-00002-of-00002.safetensors": b"second" * 200_000,
    "README.md": b"is not part of a checkpoint",
}
FETCH = "from selfalign.model.build import fetch_hub\nfetch_hub('me/model', {commit!r}, 'out')"


def test_a_checkpoint_is_downloaded_with_its_commit_and_a_cut_connection_goes_on_where_it_was(
    hub, python, tmp_path
):
    # The library writes pieces of 10 MiB; what it holds of the next is asked for again.
    piece = 10 * 2**20
    files = {**CHECKPOINT, "model-00002-of-00002.safetensors": b"second" * 4_000_000}
    commit = hub.commit("models", "me/model", files)
    digest = hashlib.sha256(files["model-00002-of-00002.safetensors"]).hexdigest()
    hub.cut[digest] = piece + 1_000_000
    done = python(FETCH.format(commit=commit))
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*CHECKPOINT, CARD} - {"README.md"}
    for name in files.keys() - {"README.md"}:
        assert (tmp_path / "out" / name).read_bytes() == files[name]
    card = read_json(tmp_path / "out" / CARD)
    assert (card["source"], card["revision"]) == ("hub:me/model", commit)
    assert [each.range for each in hub.requests(f"/storage/{digest}")] == [None, f"bytes={piece}-"]
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_after_an_interruption_only_what_was_not_whole_is_downloaded_again(hub, python, tmp_path):
    commit = hub.commit("models", "me/model", CHECKPOINT)
    first, second = (
        hashlib.sha256(CHECKPOINT[f"model-0000{n}-of-00002.safetensors"]).hexdigest() for n in (1, 2)
    )
    hub.broken.add(second)
    one_line(
        python(FETCH.format(commit=commit)), f"the hub {hub.url} failed for model 'me/model' (status 500)"
    )
    assert not (tmp_path / "out").exists()
    hub.broken.clear()
    hub.log.clear()
    done = python(FETCH.format(commit=commit))
    assert done.returncode == 0, done.stderr
    assert hub.requests(first) == []
    assert len(hub.requests(second)) == 1
    for name in CHECKPOINT.keys() - {"README.md"}:
        assert (tmp_path / "out" / name).read_bytes() == CHECKPOINT[name]


def test_a_model_that_cannot_be_had_is_one_line(hub, python):
    commit = hub.commit("models", "me/model", CHECKPOINT)
    hub.repositories["models", "me/model"].gated = True
    one_line(
        python(FETCH.format(commit=commit)),
        f"model 'me/model' is gated ({hub.url}/me/model): accept its terms",
    )
    one_line(python(FETCH.format(commit="0" * 40)), f"model 'me/model' has no revision '{'0' * 40}'")
    one_line(
        python(FETCH.format(commit=commit), HF_ENDPOINT="http://127.0.0.1:9"),
        f"cannot get model 'me/model' at revision {commit}: the hub http://127.0.0.1:9 cannot be reached",
    )


def test_a_client_that_another_thread_closed_is_a_hub_that_cannot_be_reached(hub, python):
    """A thread of a download that cannot connect closes the client of all: which of them fails first is a matter of timing."""
    commit = hub.commit("models", "me/model", CHECKPOINT)
    closed = f"import huggingface_hub\nhuggingface_hub.get_session().close()\n{FETCH.format(commit=commit)}"
    one_line(
        python(closed),
        f"the hub {hub.url} cannot be reached (Cannot send a request, as the client has been closed",
    )


RESOLVE = "from selfalign.hub import resolve_revision\nprint(resolve_revision('model', 'me/model', 'main'))"


@pytest.mark.parametrize("away", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_the_cache_serves_where_the_hub_does_not_answer(hub, python, tmp_path, away):
    commit = hub.commit("models", "me/model", CHECKPOINT)
    one_line(python(FETCH.format(commit=commit), **away), "me/model")
    done = python("import huggingface_hub\nhuggingface_hub.snapshot_download('me/model')")
    assert done.returncode == 0, done.stderr
    hub.log.clear()
    done = python(RESOLVE, **away)
    assert f"commit='{commit}', endpoint=None" in done.stdout, done.stderr
    done = python(FETCH.format(commit=commit), **away)
    assert done.returncode == 0, done.stderr
    assert hub.log == []
    weights = tmp_path / "out/model-00001-of-00002.safetensors"
    assert weights.is_symlink()
    assert weights.read_bytes() == CHECKPOINT[weights.name]
    assert read_json(tmp_path / "out" / CARD)["revision"] == commit


def test_a_cache_of_the_configuration_alone_is_no_checkpoint(hub, python):
    commit = hub.commit("models", "me/model", CHECKPOINT)
    done = python("import huggingface_hub\nhuggingface_hub.hf_hub_download('me/model', 'config.json')")
    assert done.returncode == 0, done.stderr
    one_line(python(FETCH.format(commit=commit), HF_HUB_OFFLINE="1"), "HF_HUB_OFFLINE is set")


STACK = {
    "content": [FUNCTION, FUNCTION],
    "max_stars_repo_name": ["owner/kept", "owner/gone"],
    "max_stars_repo_path": ["src/0.py", "src/1.py"],
    "max_stars_repo_licenses": [["MIT"], ["MIT", "BSD-2-Clause"]],
    "max_stars_repo_head_hexsha": ["c0", "c1"],
    "max_stars_count": [3, None],
}
READ = """
    import json
    from selfalign.core.config.seeds import SourcesConfig
    from selfalign.seeds.sources import list_units, open_files, open_seeds
    sources = SourcesConfig(**{settings!r})
    for unit in list_units(sources):
        for row in {open}(sources, unit):
            print(json.dumps(row if isinstance(row, dict) else [row.path, row.content.decode(), row.origin, row.excluded]))
"""


def test_the_stack_is_streamed_with_attribution(hub, python, tmp_path):
    name = "data/python/data-00000-of-00002.parquet"
    commit = hub.commit(
        "datasets", "big/stack", {name: parquet(STACK), name.replace("00000", "00001", 1): parquet(STACK)}
    )
    hub.repositories["datasets", "big/stack"].gated = True
    (tmp_path / "out.txt").write_text("owner/gone\n")
    settings = {
        "kind": "stack",
        "dataset": "big/stack",
        "revision": commit,
        "files": ["data/python/data-{00000..00001}-of-00002.parquet"],
        "opt_out": "out.txt",
    }
    read = READ.format(settings=settings, open="open_files")
    one_line(python(read), "data set 'big/stack' is gated")
    done = python(read, token=TOKEN)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    origin = {
        "dataset": "big/stack",
        "revision": commit,
        "repository": "owner/kept",
        "commit": "c0",
        "license": "MIT",
    }
    assert rows[0] == ["src/0.py", FUNCTION, origin, None]
    assert [(path, content, excluded) for path, content, _, excluded in rows[1::2]] == [
        ("src/1.py", "", "opted_out")
    ] * 2
    assert len(rows) == 4


def test_published_seeds_are_streamed(hub, python):
    commit = hub.commit("datasets", "me/seeds", {"train.parquet": parquet({"text": [FUNCTION, FUNCTION]})})
    settings = {
        "kind": "hub",
        "dataset": "me/seeds",
        "revision": commit,
        "files": ["train.parquet"],
        "column": "text",
    }
    done = python(READ.format(settings=settings, open="open_seeds"))
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["seed"], first["path"], second["line"]) == (FUNCTION, "train.parquet", 1)
    origin = {"dataset": "me/seeds", "revision": commit, "file": "train.parquet", "record": 1}
    assert second["lineage"] == {"seed": origin}


PUSH = "from selfalign.curate.push import push_dataset\nprint(push_dataset({files}, {name!r}))"


def test_a_pushed_data_set_is_read_back_by_datasets(hub, python, tmp_path):
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.parquet}\n---\n# Rows\n"
    (tmp_path / "README.md").write_text(card)
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "train.parquet").write_bytes(parquet({"a": [1, 2]}))
    (tmp_path / "left-out.log").write_text("no\n")
    files = ["README.md", "train.jsonl", "train.parquet"]
    done = python(PUSH.format(files=files, name="me/rows"), token="hf_of_me")
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["datasets", "me/rows"]
    assert repository.private
    commit = repository.branches["main"]
    assert commit in done.stdout
    assert len(repository.commits) == 2, "made, and one commit"
    pushed = repository.commits[commit]
    assert pushed.keys() - {".gitattributes"} == set(files)
    for name in files:
        assert pushed[name] == (tmp_path / name).read_bytes()
    read = f"import datasets\nprint(datasets.load_dataset('me/rows', revision={commit!r})['train'][:])"
    done = python(read, token="hf_of_me")
    assert "{'a': [1, 2]}" in done.stdout, done.stderr


def test_a_push_that_is_refused_or_fails_is_one_line(hub, python, tmp_path):
    (tmp_path / "README.md").write_text("# Rows\n")
    push = PUSH.format(files=["README.md"], name="me/rows")
    one_line(python(push), "write access")
    one_line(python(push, token="hf_of_me", HF_ENDPOINT="http://127.0.0.1:9"), "cannot be reached")
    one_line(
        python(PUSH.format(files=["README.md"], name="not a name"), token="hf_of_me"), "curation.export.hub"
    )
    hub.status = 418
    one_line(python(push, token="hf_of_me"), f"the hub {hub.url} failed")


PROBLEM = """
    from selfalign.core.config.model import ModelConfig
    from selfalign.doctor.released import hub_problem
    print(hub_problem(ModelConfig(source="hub", id="me/model")))
"""


def test_the_doctor_asks_the_cache_first_and_then_the_hub_for_one_file(hub, python):
    hub.commit("models", "me/model", CHECKPOINT)
    assert "None" in python(PROBLEM).stdout
    assert [(each.method, each.path) for each in hub.log] == [("HEAD", "/me/model/resolve/main/config.json")]
    assert "HF_HUB_OFFLINE is set" in python(PROBLEM, HF_HUB_OFFLINE="1").stdout
    assert "cannot be reached" in python(PROBLEM, HF_ENDPOINT="http://127.0.0.1:9").stdout
    hub.repositories["models", "me/model"].gated = True
    assert "is gated" in python(PROBLEM).stdout
    done = python("import huggingface_hub\nhuggingface_hub.snapshot_download('me/model')", token=TOKEN)
    assert done.returncode == 0, done.stderr
    hub.log.clear()
    assert "None" in python(PROBLEM).stdout
    assert hub.log == []


IMPORT = """
    from selfalign.core.config.start import StartConfig
    from selfalign.seeds.start import import_rows
    import_rows(StartConfig(stage="dataset", dataset="me/rows", revision={revision!r}, count=9), "out.jsonl")
"""


def test_a_run_starts_with_all_data_files_of_a_data_set(hub, python, tmp_path):
    pair = {"instruction": "Add.", "response": "pass"}
    files = {
        "data/b.parquet": parquet({name: [value] for name, value in pair.items()}),
        "data/a.jsonl": json.dumps(pair).encode(),
        "dataset_infos.json": b"{}",
    }
    commit = hub.commit("datasets", "me/rows", files)
    done = python(IMPORT.format(revision=commit))
    assert done.returncode == 0, done.stderr
    rows = [row["lineage"]["import"] for row in read_jsonl(tmp_path / "out.jsonl")]
    assert rows == [
        {"dataset": "me/rows", "revision": commit, "file": name, "record": 0}
        for name in ("data/a.jsonl", "data/b.parquet")
    ]
    empty = hub.commit("datasets", "me/none", {"README.md": b""})
    one_line(
        python(IMPORT.replace("me/rows", "me/none").format(revision=empty)),
        "expected Parquet or JSON Lines files",
    )
    one_line(python(IMPORT.format(revision="0" * 40)), f"data set 'me/rows' has no revision '{'0' * 40}'")
