"""Pictures by id: lists, facts, files and thumbnails with what HTTP has for files."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import FOLDERS, Served, client_of


@pytest.mark.parametrize("order", ["newest", "oldest", "name"])
def test_pictures_are_listed_page_by_page_in_order(app_client: TestClient, ids: list[str], order: str) -> None:
    pages = [
        app_client.get("/v1/items", params={"order": order, "k": 25, "offset": offset}).json()
        for offset in (0, 25, 50, 75)
    ]
    assert [len(page["items"]) for page in pages] == [25, 25, 10, 0]
    assert {page["total"] for page in pages} == {60}
    items = [one for page in pages for one in page["items"]]
    assert sorted(one["id"] for one in items) == ids
    if order == "name":
        assert [one["name"].lower() for one in items] == sorted(one["name"].lower() for one in items)
    else:
        dates = [one["taken"] or one["modified"] for one in items]
        assert dates == sorted(dates, reverse=order == "newest")


def test_a_picture_is_told_as_the_gallery_knows_it(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]
) -> None:
    for id in ids[::7]:
        told, item = app_client.get(f"/v1/items/{id}").json(), opened.item(id)
        assert (told["width"], told["height"], told["bytes"]) == (item.width, item.height, item.path.stat().st_size)
        assert (told["name"], told["path"]) == (item.path.name, None)
        assert app_client.get(f"/v1/items/{id}/captions").json() == told["captions"] == list(item.captions)
        assert told["labels"] == list(item.labels)
        assert app_client.get(told["picture"]).content == item.path.read_bytes()
        assert app_client.get(told["thumbnail"]).status_code == 200


def test_notes_are_told_where_there_are_any(app_client: TestClient, ids: list[str]) -> None:
    noted = [app_client.get(f"/v1/items/{id}").json()["notes"] for id in ids]
    assert sum(set(one) == {"stars", "place"} for one in noted) == 20
    assert sum(one == {} for one in noted) == 40


def test_notes_are_told_by_lists_searches_and_comparisons_too(app_client: TestClient, ids: list[str]) -> None:
    noted = {id: app_client.get(f"/v1/items/{id}").json()["notes"] for id in ids}
    listed = app_client.get("/v1/items", params={"k": 60}).json()["items"]
    assert {one["id"]: one["notes"] for one in listed} == noted
    found = app_client.get("/v1/search", params={"q": "a red ball", "k": 60, "fold": False}).json()["results"]
    assert {one["item"]["id"]: one["item"]["notes"] for one in found} == noted
    a, b = ids[0], ids[-1]
    told = app_client.get("/v1/compare", params={"q": "a red ball", "a": a, "b": b, "fold": False}).json()
    assert (told["first"]["notes"], told["second"]["notes"]) == (noted[a], noted[b])


def test_where_nothing_was_noted_notes_are_empty(
    served_gallery: Served, opened: crossgraph.Gallery, settings: ServerSettings, tmp_path: Path
) -> None:
    bare = crossgraph.Gallery.create(tmp_path / "bare", opened.require_model(), run=str(served_gallery.model))
    bare.index(served_gallery.pictures / FOLDERS[0])
    with client_of(replace(settings, gallery=tmp_path / "bare"), bare) as client:
        assert [one["notes"] for one in client.get("/v1/items", params={"k": 2}).json()["items"]] == [{}, {}]


@pytest.mark.parametrize("size", [320, 1280])
def test_a_thumbnail_is_a_small_upright_webp(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str], size: int
) -> None:
    answer = app_client.get(f"/v1/items/{ids[0]}/thumbnail", params={"size": size})
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "private, no-cache"  # its content may be another by tomorrow
    item = opened.item(ids[0])
    with Image.open(BytesIO(answer.content)) as image:
        assert max(image.size) == min(size, max(item.width, item.height))
        assert image.width / image.height == pytest.approx(item.width / item.height, rel=0.02)


@pytest.mark.parametrize("size", ["0", "321", "-1", "99999999", "large", ""])
def test_thumbnails_have_two_sizes(app_client: TestClient, ids: list[str], size: str) -> None:
    assert app_client.get(f"/v1/items/{ids[0]}/thumbnail", params={"size": size}).status_code == 422


@pytest.mark.parametrize("what", ["picture", "thumbnail"])
def test_what_a_client_has_is_not_sent_again(app_client: TestClient, ids: list[str], what: str) -> None:
    path = f"/v1/items/{ids[0]}/{what}"
    tag = app_client.get(path).headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = app_client.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-length" not in again.headers or again.headers["content-length"] == "0"
    for given in ('"other"', tag.strip('"'), ""):
        assert app_client.get(path, headers={"If-None-Match": given}).status_code == 200
    assert app_client.get(f"/v1/items/{ids[1]}/{what}").headers["etag"] != tag


@pytest.mark.parametrize("path", ["picture", "thumbnail", "captions", ""])
def test_head_says_the_same_as_get_without_the_content(app_client: TestClient, ids: list[str], path: str) -> None:
    address = f"/v1/items/{ids[0]}/{path}".rstrip("/")
    whole, head = app_client.get(address), app_client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "accept-ranges", "cache-control"):
        assert head.headers.get(name) == whole.headers.get(name), name
    assert app_client.head("/v1/items/nobody/picture").status_code == 404


def ranges(content: bytes) -> list[tuple[str, bytes]]:
    end = len(content)
    return [
        ("bytes=0-0", content[:1]),
        ("bytes=5-9", content[5:10]),
        ("bytes=100-", content[100:]),
        ("bytes=-7", content[-7:]),
        (f"bytes={end - 1}-", content[-1:]),
        (f"bytes=0-{end * 9}", content),
        (f"bytes=-{end * 9}", content),
        ("BYTES= 5 - 9 ", content[5:10]),
    ]


def test_a_part_of_a_file_is_sent(app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]) -> None:
    content = opened.item(ids[0]).path.read_bytes()
    for given, wanted in ranges(content):
        answer = app_client.get(f"/v1/items/{ids[0]}/picture", headers={"Range": given})
        assert (answer.status_code, answer.content) == (206, wanted), given
        start = content.index(wanted) if len(wanted) > 7 else int(answer.headers["content-range"][6:].split("-")[0])
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(content)}"
        assert answer.headers["content-length"] == str(len(wanted))


@pytest.mark.parametrize(
    "given", ["bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=0x0-1", "bytes=²-"]
)
def test_what_is_no_one_part_is_all_of_it(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str], given: str
) -> None:
    answer = app_client.get(f"/v1/items/{ids[0]}/picture", headers={b"Range": given.encode("utf-8")})
    assert (answer.status_code, answer.content) == (200, opened.item(ids[0]).path.read_bytes())
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-range" not in answer.headers


@pytest.mark.parametrize("given", ["bytes={end}-", "bytes=99999999999-", "bytes=-0"])
def test_a_part_behind_the_end_is_refused(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str], given: str
) -> None:
    size = opened.item(ids[0]).path.stat().st_size
    answer = app_client.get(f"/v1/items/{ids[0]}/picture", headers={"Range": given.format(end=size)})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{size}"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_part_of_another_file_is_not_mixed_into_this_one(app_client: TestClient, ids: list[str]) -> None:
    path = f"/v1/items/{ids[0]}/picture"
    tag = app_client.get(path).headers["etag"]
    same = app_client.get(path, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = app_client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_picture_is_shown_or_saved_under_its_name(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]
) -> None:
    name = opened.item(ids[0]).path.name
    for words, wanted in (({}, "inline"), ({"download": True}, "attachment")):
        params: dict[str, Any] = dict(words)
        told = app_client.get(f"/v1/items/{ids[0]}/picture", params=params).headers["content-disposition"]
        assert told == f"{wanted}; filename*=UTF-8''{name}"


@pytest.mark.parametrize("what", ["", "/captions", "/similar", "/picture", "/thumbnail"])
def test_nobody_is_404_and_no_id_is_422(app_client: TestClient, what: str) -> None:
    for id, status in (("nobody", 404), ("x" * 129, 422), ("a b", 422), ("%00", 422), ("ä", 422)):
        refused = app_client.get(f"/v1/items/{id}{what}")
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
