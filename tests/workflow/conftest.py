"""A store of objects for the tests of the workflow."""

import importlib.util

import pytest

BUCKET = "selfalign"


@pytest.fixture
def store(monkeypatch):
    """A local S3 with an empty bucket: the arguments that make Snakemake keep its files there."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "snakemake_storage_plugin_s3")):
        pytest.skip("needs the storage plugin for S3 and moto: `make test` installs them (`make cluster`)")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {"ACCESS_KEY": "test", "SECRET_KEY": "test"}.items():
        monkeypatch.setenv(f"SNAKEMAKE_STORAGE_S3_{name}", value)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket=BUCKET)
    yield (
        *("--default-storage-provider", "s3", "--default-storage-prefix", f"s3://{BUCKET}"),
        *("--storage-s3-endpoint-url", address),
    )
    server.stop()
