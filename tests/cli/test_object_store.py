"""Every verb that takes a gallery takes the address of one in an object store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.settings import ServerSettings
from tests.cli.conftest import Trained, call
from tests.serving.served import client_of
from tests.storage.conftest import address, store_url

__all__ = ["address", "store_url"]


def test_a_gallery_in_an_object_store_is_filled_searched_kept_and_served(
    trained: Trained, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted(trained.images.iterdir())[:6]:
        shutil.copy(path, folder)
    first, second, *_ = sorted(folder.iterdir())

    done = call("index", folder, "--gallery", address, "--model", trained.kidrr, "--json")
    told = json.loads(done.stdout)
    assert (told["gallery"], told["added"]) == (address, 6)
    found = json.loads(
        call("search", "a red ball", "--gallery", address, "--at-least", told["version"], "--json").stdout
    )
    assert len(found["results"]) == 6
    first.unlink()
    synced = json.loads(call("sync", address, "--json").stdout)
    assert (synced["removed"], synced["version"] != told["version"]) == (1, True)
    notes = tmp_path / "notes.csv"
    notes.write_text(f"path,stars\n{second},5\n", encoding="utf-8")
    assert json.loads(call("gallery", "annotate", address, notes, "--json").stdout)["annotated"] == 1
    folder.rename(tmp_path / "moved")
    moved = call("gallery", "move", address, folder, tmp_path / "moved", "--json")
    assert json.loads(moved.stdout)["pictures"] == 5
    assert call("gallery", "remove", address, second.name, "--json").exit_code == 0
    added = json.loads(call("gallery", "add", address, trained.images / first.name, "--json").stdout)
    assert (added["added"], bool(added["version"])) == (1, True)
    assert json.loads(call("gallery", "optimize", address, "--json").stdout)["gallery"] == address
    checked = call("gallery", "verify", address, "--json")
    assert (checked.exit_code, json.loads(checked.stdout)["problems"]) == (0, [])
    stats = json.loads(call("gallery", "stats", address, "--json").stdout)
    assert (stats["folder"], stats["rows"], stats["skipped"], stats["removed"]) == (address, 5, 0, 1)
    assert stats["bytes"] > 0
    exported = call("gallery", "export", address, "--format", "paths").stdout.splitlines()
    assert sorted(Path(path).name for path in exported) == sorted(
        [first.name, *(path.name for path in (tmp_path / "moved").iterdir() if path.name != second.name)]
    )

    monkeypatch.setenv("CROSSGRAPH_GALLERY", address)
    assert json.loads(call("search", "a red ball", "--json").stdout)["results"]
    opened = crossgraph.open_gallery()
    assert str(opened.storage) == address
    with client_of(ServerSettings(address, rate=0, manage=True), opened) as client:
        looked_after(client)


def looked_after(client: TestClient) -> None:
    """What a server of it answers."""
    found = client.get("/v1/search", params={"q": "a red ball", "k": 1}).json()["results"][0]["item"]
    assert client.get(found["thumbnail"]).status_code == 200
    assert client.get("/v1/stats").json()["rows"] == 5
    assert client.get("/health").status_code == client.get("/").status_code == 200
    said = {"query": "a red ball", "item": found["id"], "verdict": "relevant"}
    refused = client.post("/v1/feedback", json=said)
    assert refused.status_code == 404
    assert "object store" in refused.json()["detail"]
    assert client.get("/v1/feedback").json() == []


def test_what_is_wrong_with_an_address_is_said(address: str, tmp_path: Path) -> None:
    for words, said in (
        (("gallery", "stats", "s3://bucket"), "s3://BUCKET/NAME"),
        (("search", "a red ball", "--gallery", address), f"{address} is not a gallery"),
    ):
        refused = call(*words)
        assert refused.exit_code == 2
        assert said in refused.stderr
