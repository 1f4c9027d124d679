from __future__ import annotations

import datetime
import decimal
import gzip
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.config.seeds import FiltersConfig, SourcesConfig
from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.core.filtering import Drop
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl
from selfalign.curate.export import write_parquet
from selfalign.seeds.collect import collect_unit
from selfalign.seeds.extract import extract
from selfalign.seeds.sources import list_units, open_files, open_seeds, unit_files
from selfalign.seeds.sources.packages import check_license, fetch_wheel, pinned_requirement, read_wheel
from selfalign.seeds.start import read_stage

PERMISSIVE = SourcesConfig().licenses
FUNCTION = 'def f(x):\n    """Return what is given."""\n    return x\n'


def make_wheel(path, *metadata: str):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p/a.py", FUNCTION)
        archive.writestr("p/tests/test_a.py", FUNCTION)
        archive.writestr("p/data.txt", "")
        lines = ["Metadata-Version: 2.1", "Name: p", "Version: 1.0", *metadata]
        archive.writestr("p-1.0.dist-info/METADATA", "\n".join(lines) + "\n\nText\n")
    return path


@pytest.mark.parametrize(
    "lines",
    [
        ["License-Expression: MIT"],
        ["License: BSD"],
        ["License: a long text", "Classifier: License :: OSI Approved :: Apache Software License"],
    ],
)
def test_a_permissive_wheel_is_read_without_its_tests(tmp_path, lines):
    [file] = read_wheel(make_wheel(tmp_path / "p.whl", *lines), PERMISSIVE)
    assert (file.path, file.content) == ("p/a.py", FUNCTION.encode())
    assert file.origin["package"] == "p"
    assert file.origin["version"] == "1.0"
    assert file.origin["license"]


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["License-Expression: MIT AND GPL-3.0-only"],
        ["Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"],
        ["License: Proprietary"],
        ["License: BSDoid"],
    ],
)
def test_any_other_licence_is_refused(tmp_path, lines):
    with pytest.raises(DataError, match=r"permissive licence .* is rejected"):
        list(read_wheel(make_wheel(tmp_path / "p.whl", *lines), PERMISSIVE))


def test_a_licence_is_one_line():
    assert check_license(["MIT License", "BSD License"], PERMISSIVE, "p.whl") == "MIT License; BSD License"


def test_what_is_no_wheel_is_said_to_be_none(tmp_path):
    (tmp_path / "p.whl").write_text("no")
    with pytest.raises(DataError, match="expected a wheel"):
        list(read_wheel(tmp_path / "p.whl", PERMISSIVE))


def test_a_package_needs_a_hash_in_the_lock(tmp_path):
    lock = tmp_path / "sources.lock"
    lock.write_text("# a comment\np==1.0 \\\n    --hash=sha256:ab\nq==2.0\n")
    assert pinned_requirement("p==1.0", lock) == "p==1.0 --hash=sha256:ab"
    for package in ("q==2.0", "r==1.0"):
        with pytest.raises(ConfigError, match=f"{package} has no line with a SHA-256"):
            pinned_requirement(package, lock)


def test_another_hash_is_no_download(tmp_path):
    with pytest.raises(InfrastructureError, match=r"cannot fetch toolz==1\.0\.0"):
        fetch_wheel(f"toolz==1.0.0 --hash=sha256:{'0' * 64}", tmp_path / "toolz.whl")
    assert not (tmp_path / "toolz.whl").exists()


def test_parts_of_a_directory_do_not_depend_on_each_other(tmp_path):
    for number in range(30):
        (tmp_path / f"d{number % 3}").mkdir(exist_ok=True)
        (tmp_path / f"d{number % 3}" / f"m{number}.py").write_text(FUNCTION)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "m.py").write_text(FUNCTION)
    sources = SourcesConfig(kind="directory", path=str(tmp_path), parts=4)
    units = list_units(sources)
    before = {unit: [file.path for file in open_files(sources, unit)] for unit in units}
    assert sum(map(len, before.values())) == len(set().union(*before.values())) == 30
    assert all(paths == sorted(paths) for paths in before.values())
    assert [len(unit_files(sources, unit)) for unit in units] == [len(before[unit]) for unit in units]
    (tmp_path / "d0" / "new.py").write_text(FUNCTION)
    after = {unit: [file.path for file in open_files(sources, unit)] for unit in units}
    assert [unit for unit in units if before[unit] != after[unit]] == [
        unit for unit in units if "d0/new.py" in after[unit]
    ]


def stack(tmp_path, repository: str | None = "owner/kept", **more: object) -> SourcesConfig:
    rows = [(repository, FUNCTION), ("owner/gone", FUNCTION), ("Left/any", FUNCTION), ("o/broken", "def (")]
    table = {
        "content": [content for _, content in rows],
        "max_stars_repo_name": [name for name, _ in rows],
        "max_stars_repo_path": [f"src/{number}.py" for number in range(len(rows))],
        "max_stars_repo_licenses": [["MIT"], ["MIT"], ["MIT"], ["BSD-2-Clause", "MIT"]],
        "max_stars_repo_head_hexsha": ["c"] * len(rows),
    }
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(table), tmp_path / "data" / "one.parquet")
    settings = {"dataset": str(tmp_path), "revision": "r", "files": ["data/one.parquet"]} | more
    return SourcesConfig(kind="stack", **settings)


def test_the_stack_keeps_attribution_and_leaves_out_who_opted_out(tmp_path):
    (tmp_path / "out.txt").write_text("# opted out\nowner/GONE\nleft\n")
    sources = stack(tmp_path, opt_out=str(tmp_path / "out.txt"))
    [unit] = list_units(sources)
    assert unit_files(sources, unit) == [sources.opt_out]  # who opts out later reruns the unit
    files = list(open_files(sources, unit))
    assert [(file.path, file.excluded) for file in files] == [
        ("src/0.py", None),
        ("src/1.py", "opted_out"),
        ("src/2.py", "opted_out"),
        ("src/3.py", None),
    ]
    assert files[1].content == b""
    assert [drop for _, drop in extract(files[1:2])] == [Drop("opted_out")]
    assert files[0].content == FUNCTION.encode()
    assert files[0].origin == {
        "dataset": str(tmp_path),
        "revision": "r",
        "repository": "owner/kept",
        "commit": "c",
        "license": "MIT",
    }
    assert files[3].origin["license"] == "BSD-2-Clause, MIT"


@pytest.mark.parametrize(
    ("changed", "column"), [({"column": "text"}, "text"), ({"repository": None}, "max_stars_repo_name")]
)
def test_a_data_set_without_the_columns_or_their_values_is_refused(tmp_path, changed, column):
    sources = stack(tmp_path, **changed)
    with pytest.raises(DataError, match=f"record 1, field '{column}': expected a column of The Stack"):
        list(open_files(sources, list_units(sources)[0]))


def test_published_seeds_are_read_as_rows(tmp_path):
    write_jsonl(tmp_path / "seeds.jsonl", [{"seed": FUNCTION, "id": 7}])
    sources = SourcesConfig(
        kind="hub", dataset=str(tmp_path), revision="r", files=["seeds.jsonl"], column="seed"
    )
    [row] = open_seeds(sources, list_units(sources)[0])
    assert row["seed"] == FUNCTION
    assert row["lineage"]["seed"] == {
        "dataset": str(tmp_path),
        "revision": "r",
        "file": "seeds.jsonl",
        "record": 0,
    }


def test_a_unit_is_collected_with_counts_and_drops(tmp_path):
    root = tmp_path / "code"
    root.mkdir()
    (root / "a.py").write_text(FUNCTION + '\n\ndef g(x):\n    """Return nothing at all."""\n    print(x)\n')
    (root / "b.py").write_bytes(b"x = '\xff\xfe'")
    sources = SourcesConfig(kind="directory", path=str(root))
    collect_unit(
        sources,
        "part-0000",
        FiltersConfig(),
        out=tmp_path / "out.jsonl",
        dropped=tmp_path / "dropped.jsonl",
        counts=tmp_path / "counts.json",
    )
    [kept] = read_jsonl(tmp_path / "out.jsonl")
    assert list(kept) == ["seed", "path", "line", "sha1", "lineage"]
    assert kept["lineage"] == {"seed": {"directory": "code", "file": "a.py", "line": 1}}
    dropped = list(read_jsonl(tmp_path / "dropped.jsonl"))
    assert [(row["path"], row["reason"]) for row in dropped] == [
        ("a.py", "no_return"),
        ("b.py", "file_error"),
    ]
    extracted, filtered = read_json(tmp_path / "counts.json")
    assert (extracted["in"], extracted["out"], extracted["dropped"]) == (3, 2, {"file_error": 1})
    assert (filtered["in"], filtered["out"], filtered["dropped"]) == (2, 1, {"no_return": 1})


def test_a_file_of_seeds_is_a_source(tmp_path):
    write_jsonl(tmp_path / "seeds.jsonl", [{"seed": FUNCTION, "mine": 1}])
    sources = SourcesConfig(kind="jsonl", path=str(tmp_path / "seeds.jsonl"))
    [row] = open_seeds(sources, "rows")
    assert row["mine"] == 1
    assert row["lineage"] == {"seed": {"file": "seeds.jsonl", "record": 1}}


def test_a_history_that_is_none_is_refused(tmp_path):
    write_jsonl(tmp_path / "seeds.jsonl", [{"seed": FUNCTION, "lineage": "by hand"}])
    with pytest.raises(DataError, match=r"seeds\.jsonl, record 1, field 'lineage': expected"):
        list(open_seeds(SourcesConfig(kind="jsonl", path=str(tmp_path / "seeds.jsonl")), "rows"))


@pytest.mark.parametrize(
    "settings",
    [{"kind": "directory"}, {"kind": "jsonl"}, {"kind": "stack"}, {"kind": "packages", "packages": []}],
)
def test_a_source_that_is_not_whole_is_refused(settings):
    with pytest.raises(ValueError, match="needs"):
        SourcesConfig(**settings)


def test_a_published_intermediate_data_set_starts_any_stage(tmp_path):
    table = {"content": [FUNCTION, FUNCTION], "concepts": [["a"], ["b"]], "id": [1, 2]}
    pq.write_table(pa.table(table), tmp_path / "concepts.parquet")
    arguments = ["seeds", "fetch", tmp_path, "concepts.parquet", tmp_path / "out.jsonl", "--revision", "r"]
    more = ["--rename", "content=seed", "--start", 10]
    result = CliRunner().invoke(build_app(), [str(each) for each in [*arguments, *more]])
    assert result.exit_code == 0, result.output
    first, second = read_jsonl(tmp_path / "out.jsonl")
    assert (first["seed"], first["concepts"], first["index"]) == (FUNCTION, ["a"], 10)
    assert second["index"] == 11
    assert second["lineage"]["seed"]["record"] == 1
    with pytest.raises(DataError, match="record 1, field 'text': expected this column"):
        list(read_stage(str(tmp_path), "r", "concepts.parquet", {"text": "seed"}))


def test_our_own_parquet_starts_a_stage_with_its_history(tmp_path):
    """Hand-over writes lineage as JSON text."""
    history = {"seed": {"package": "toolz"}, "transformations": ["sanitize:raw"]}
    write_jsonl(tmp_path / "rows.jsonl", [{"seed": FUNCTION, "index": 3, "lineage": history}])
    write_parquet(tmp_path / "rows.jsonl", tmp_path / "train.parquet")
    source = {"dataset": str(tmp_path), "revision": "r", "file": "train.parquet", "record": 0}
    source["sha256"] = file_sha256(tmp_path / "train.parquet")
    [row] = read_stage(str(tmp_path), "r", "train.parquet", {})
    assert row["lineage"] == {**history, "import": source}
    pq.write_table(pa.table({"seed": [FUNCTION], "lineage": ["no JSON"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="record 1, field 'lineage': expected an object"):
        list(read_stage(str(tmp_path), "r", "other.parquet", {}))


def _fetch(directory, name, *more):
    arguments = ["seeds", "fetch", directory, name, directory / "out.jsonl", *more]
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


def test_json_lines_keep_texts_numbers_and_late_columns(tmp_path):
    """Dates stay text, integers whole, and a column may begin to have values anywhere."""
    rows: list[dict] = [{"seed": "x" * 100, "license": None}] * 20_000
    rows += [{"seed": "y", "license": "MIT", "created": "2024-01-01", "hash": 9223372036854775813}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    with gzip.open(tmp_path / "rows.json.gz", "wb") as packed:
        packed.write((tmp_path / "rows.jsonl").read_bytes() + b"\n")
    for name in ("rows.jsonl", "rows.json.gz"):
        result = _fetch(tmp_path, name)
        assert result.exit_code == 0, result.output
        found = list(read_jsonl(tmp_path / "out.jsonl"))
        assert [{key: row[key] for key in rows[i]} for i, row in enumerate(found)] == rows
        assert found[-1]["lineage"]["seed"] == {
            "dataset": str(tmp_path),
            "revision": None,
            "file": name,
            "sha256": file_sha256(tmp_path / name),
            "record": 20_000,
        }


def test_the_types_of_parquet_have_a_form_in_json(tmp_path):
    moment = datetime.datetime(2024, 2, 29, 12, 30, 0, 250_000, tzinfo=datetime.UTC)
    columns = {
        "day": pa.array([moment.date()]),
        "time": pa.array([datetime.time(1, 2, 3)]),
        "seconds": pa.array([moment.replace(tzinfo=None)], pa.timestamp("s")),
        "nanoseconds": pa.array([1_709_209_800_000_000_001], pa.timestamp("ns")),
        "zoned": pa.array([moment], pa.timestamp("us", "UTC")),
        "price": pa.array([decimal.Decimal("12.340")]),
        "raw": pa.array([b"\xff\x00"]),
        "unsigned": pa.array([2**64 - 1], pa.uint64()),
        "signed": pa.array([-(2**63)], pa.int64()),
        "nested": pa.array([[{"on": moment.date(), "none": None}]]),
        "share": pa.array([0.5]),
        "empty": pa.nulls(1),
        "duration": pa.array([datetime.timedelta(days=1, seconds=3, microseconds=5)]),
        "long": pa.array([3_000_000_001], pa.duration("ns")),
        "nan": pa.array([float("nan")]),
        "infinity": pa.array([float("-inf")]),
        "map": pa.array([[(1, moment.date())]], pa.map_(pa.int64(), pa.date32())),
        "identity": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)], pa.binary(16))),
        "category": pa.array(["a"]).dictionary_encode(),
        "half": pa.array([1.5], pa.float16()),
        "view": pa.array(["a"], pa.string_view()),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    result = _fetch(tmp_path, "rows.parquet")
    assert result.exit_code == 0, result.output
    [row] = read_jsonl(tmp_path / "out.jsonl")
    assert {key: value for key, value in row.items() if key in columns} == {
        "day": "2024-02-29",
        "time": "01:02:03",
        "seconds": "2024-02-29T12:30:00",
        "nanoseconds": "2024-02-29T12:30:00.000000001",
        "zoned": "2024-02-29T12:30:00.250000+00:00",
        "price": "12.340",
        "raw": "/wA=",
        "unsigned": 18446744073709551615,
        "signed": -9223372036854775808,
        "nested": [{"on": "2024-02-29", "none": None}],
        "share": 0.5,
        "empty": None,
        "duration": "P1DT3.000005S",
        "long": "P0DT0H0M3.000000001S",
        "nan": None,
        "infinity": "-inf",
        "map": [[1, "2024-02-29"]],
        "identity": "00000000-0000-0000-0000-000000000000",
        "category": "a",
        "half": 1.5,
        "view": "a",
    }


def test_a_rename_loses_no_column(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"seed": "a", "content": "b", "text": "c"}])

    def renamed(**names):
        return list(read_stage(str(tmp_path), None, "rows.jsonl", names))

    with pytest.raises(
        DataError, match="record 1, field 'content': cannot be renamed to 'seed', which is a column"
    ):
        renamed(content="seed")
    with pytest.raises(ConfigError, match="two columns are renamed to 'seed'"):
        renamed(content="seed", text="seed")
    with pytest.raises(ConfigError, match="'index', which numbers the records"):
        renamed(content="index")
    [row] = renamed(content="seed", seed="old")
    assert (row["seed"], row["old"], row["text"]) == ("b", "a", "c")


def test_a_data_file_that_is_not_there_or_of_another_kind_is_one_line(tmp_path):
    (tmp_path / "rows.csv").write_text("seed\na\n")
    for name, said in (
        ("none.jsonl", "there is no such data file"),
        ("rows.csv", "ends in .parquet, .jsonl"),
    ):
        with pytest.raises(ConfigError, match=said):
            list(read_stage(str(tmp_path), None, name, {}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rows.parquet", "rows.parquet: expected rows as Parquet or JSON Lines"),
        ("rows.json", r"rows.json, record 1: expected one JSON object a line \(Expecting value, column 1\)"),
    ],
)
def test_a_data_file_that_is_none_is_one_line(tmp_path, name, said):
    (tmp_path / name).write_text("junk\n")
    with pytest.raises(DataError, match=said):
        list(read_stage(str(tmp_path), "r", name, {}))
