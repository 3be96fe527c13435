"""Addresses of object stores, told from folders, and how a store is reached."""

from pathlib import Path

import pytest

from crossgraph.errors import ConfigError
from crossgraph.storage.address import Address, connection, folder_or_address, is_address
from crossgraph.storage.folder import Folder
from crossgraph.storage.opening import storage_of


@pytest.mark.parametrize("place", ["s3://b/name", Path("s3://b/name"), "s3://b/name/", "s3://b//name"])
def test_an_address_is_known_in_any_spelling(place: Path | str) -> None:
    assert is_address(place)
    assert folder_or_address(place) == str(Address.parse(str(place))) == "s3://b/name"


@pytest.mark.parametrize("place", ["s3", "./s3:/b/name", "/data/s3://b", "gallery", "a: b", "c:/b"])
def test_anything_else_is_a_folder(place: str) -> None:
    assert folder_or_address(place) == Path(place)
    assert storage_of(place) == Folder(Path(place))


@pytest.mark.parametrize("place", ["gs://b/g", Path("gs://b/g"), "S3://b/g", "s3:/b/g", "https://host/g", "file:///g"])
def test_an_address_of_another_kind_is_no_folder(place: Path | str) -> None:
    for read in (folder_or_address, storage_of):
        with pytest.raises(ConfigError, match="s3://b/g" if str(place)[0] in "sS" else "s3://BUCKET/NAME"):
            read(place)


def test_the_folder_of_the_user_is_meant_by_its_sign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in ("~/gallery", Path("~/gallery")):
        assert storage_of(place) == Folder(tmp_path / "gallery")


@pytest.mark.parametrize("place", ["s3://", "s3://bucket", "s3://bucket/", "s3:///name", "s3://b/../c"])
def test_an_address_without_a_bucket_or_a_name_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="s3://BUCKET/NAME"):
        folder_or_address(place)


def test_a_store_is_named_by_the_environment_and_plain_http_only_where_it_says_so() -> None:
    assert connection({}) == {}
    assert connection({"AWS_ENDPOINT": "https://store.example", "AWS_REGION": "eu-1"}) == {
        "aws_endpoint": "https://store.example",
        "aws_region": "eu-1",
    }
    both = {"AWS_ENDPOINT": "https://other", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"}
    assert connection(both) == {
        "aws_endpoint": "http://127.0.0.1:9000",
        "aws_region": "us-east-1",
        "allow_http": "true",
    }
