"""One object store for the tests of a module."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.object_store import BUCKET, object_store, reach


@pytest.fixture(scope="module")
def store_url() -> Iterator[str]:
    """Where a local S3 server answers."""
    pytest.importorskip("obstore", reason="needs crossgraph[s3]")
    pytest.importorskip("moto.server", reason="needs moto[server]")
    with object_store() as url:
        yield url


@pytest.fixture
def address(store_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An address at which nothing lies yet."""
    reach(monkeypatch, store_url)
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    assert os.environ["AWS_ENDPOINT_URL"] == store_url
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:8]}/gallery"
