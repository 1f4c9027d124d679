"""Files in a store of objects instead of a file system: the seeds and a shard of concepts through a local S3."""

import boto3
import pytest
from tests.tiny import write_tiny_checkpoint
from tests.workflow.conftest import BUCKET
from tests.workflow.harness import Build, tiny_config, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

TARGET = "results/tiny/concepts/shards/0000.jsonl"


def test_a_build_keeps_its_files_in_s3(store, finished, tmp_path):
    build = Build(working_copy(tmp_path), tiny_config())
    write_tiny_checkpoint(tmp_path / "tiny-model")
    done = build.snakemake("--until", "concepts", *store)
    assert done.returncode == 0, done.stdout[-4000:]
    address = store[store.index("--storage-s3-endpoint-url") + 1]
    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    stored = client.get_object(Bucket=BUCKET, Key=TARGET)["Body"].read()
    assert stored == finished.result("concepts/shards/0000.jsonl").read_bytes()
    assert not (tmp_path / TARGET).exists(), "no copy stays on the file system"
