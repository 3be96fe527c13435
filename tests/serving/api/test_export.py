"""Chosen pictures to take away."""

import csv
import io
import json
import zipfile
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient


def test_pictures_are_exported_in_the_order_named_without_where_they_lie(
    app_client: TestClient, ids: list[str]
) -> None:
    chosen = [ids[5], ids[2], ids[5]]
    listed = app_client.post("/v1/export", data={"ids": chosen, "format": "json"})
    assert [row["id"] for row in json.loads(listed.text)] == [ids[5], ids[2]]
    table = app_client.post("/v1/export", data={"ids": chosen, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["id"] for row in rows] == [ids[5], ids[2]]
    assert not {"path", "folder", "source"} & set(rows[0])
    assert "attachment" in table.headers["content-disposition"]


def test_an_archive_holds_the_files_themselves(app_client: TestClient, ids: list[str]) -> None:
    answer = app_client.post("/v1/export", data={"ids": ids[:3], "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        held = [archive.read(name) for name in archive.namelist()]
    assert held == [app_client.get(f"/v1/items/{one}/picture").content for one in ids[:3]]


def test_paths_want_a_server_that_shows_them(
    app_client: TestClient, client_with: Callable[..., TestClient], ids: list[str]
) -> None:
    asked = {"ids": ids[:2], "format": "paths"}
    refused = app_client.post("/v1/export", data=asked)
    assert refused.status_code == 403
    assert "--show-paths" in refused.json()["detail"]
    lines = client_with(show_paths=True).post("/v1/export", data=asked).text.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("/") for line in lines)


@pytest.mark.parametrize("format", ["json", "csv", "zip"])
def test_an_unknown_picture_is_refused_and_many_are_taken(app_client: TestClient, ids: list[str], format: str) -> None:
    unknown = app_client.post("/v1/export", data={"ids": [*ids, "nobody"], "format": format})
    assert unknown.status_code == 404
    many = app_client.post("/v1/export", data={"ids": ids * 10, "format": format})
    assert many.status_code == 200
