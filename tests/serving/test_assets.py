"""Files of the page: how long browsers keep them."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient

from crossgraph.serving.assets import ASKED_AGAIN, KEPT, asset


def test_a_file_is_kept_for_ever_only_under_the_name_of_its_content(app_client: TestClient) -> None:
    named = app_client.get(asset("page.css"))
    plain = app_client.get("/static/page.css")
    assert named.content == plain.content
    assert named.headers["cache-control"] == KEPT
    for path in ("/static/page.css", "/static/page.css?v=old", "/static/page.css?v="):
        assert app_client.get(path).headers["cache-control"] == ASKED_AGAIN
    known = app_client.get("/static/page.css", headers={"If-None-Match": plain.headers["etag"]})
    assert (known.status_code, known.headers["cache-control"]) == (304, ASKED_AGAIN)


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/../app.py", "/static/%2e%2e/app.py", "/static/"])
def test_there_is_nothing_else(app_client: TestClient, path: str) -> None:
    assert app_client.get(path).status_code == 404


def test_the_page_names_its_files_by_their_content(app_client: TestClient) -> None:
    page = app_client.get("/", headers={"Accept": "text/html"}).text
    for name in ("page.css", "theme.js", "search.js"):
        assert asset(name) in page


def test_scripts_name_what_they_import_by_its_content(app_client: TestClient) -> None:
    imports = re.findall(r'^import .* from "(.*)";', app_client.get(asset("search.js")).text, re.MULTILINE)
    assert len(imports) == 5
    for one in imports:
        found = app_client.get(urljoin("/static/", one))
        assert found.headers["cache-control"] == KEPT
        assert found.headers["content-type"].startswith("text/javascript")
    assert "grid.js?v=" not in app_client.get(asset("grid.js")).text
    plain = app_client.get("/static/search.js")
    known = app_client.get("/static/search.js", headers={"If-None-Match": plain.headers["etag"]})
    assert (known.status_code, known.content, known.headers["cache-control"]) == (304, b"", ASKED_AGAIN)
