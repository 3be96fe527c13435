"""Who may ask: names of the server, pages of other sites, tokens, the page that asks for one."""

from __future__ import annotations

import hmac
import types
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from crossgraph.errors import ConfigError
from crossgraph.serving import access
from crossgraph.serving.settings import ServerSettings

TOKEN = "a-token-of-32-letters-0123456789"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
OURS = {"127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"}
HTML = {"Accept": "text/html,*/*"}
Maker = Callable[..., TestClient]


@pytest.mark.parametrize("host", sorted(OURS))
def test_the_names_of_this_machine_are_known(app_client: TestClient, host: str) -> None:
    assert app_client.get("/v1/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "evil.example:8000", "localhost.evil.example", "", "localhost."),
        *("127.0.0.1@evil.example", "evil.example#127.0.0.1", "localhost:8000:1", "local\thost", "[::1", "2130706433"),
        *("localhost/", "localhost?", "localhost:port", "localhost,evil.example", "169.254.169.254"),
    ],
)
def test_another_name_is_refused_so_that_no_name_can_be_made_to_lead_here(app_client: TestClient, host: str) -> None:
    for path in ("/v1/health/live", "/", "/v1/search?q=dog", "/static/page.css", "/login", "/nothing"):
        refused = app_client.get(path, headers={"Host": host})
        assert refused.status_code == 421
        assert refused.headers["content-type"] == "application/problem+json"


def test_a_name_that_was_allowed_is_known_and_no_other(client_with: Maker) -> None:
    client = client_with(host="0.0.0.0", token=TOKEN, names=("Photos.lan",))
    assert client.get("/v1/health/live", headers={"Host": "photos.LAN:8000"}).status_code == 200
    assert client.get("/v1/health/live", headers={"Host": "other.lan"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://evil.example@127.0.0.1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/search", "/v1/uploads", "/login"])
def test_pages_of_other_sites_may_not_send_anything(app_client: TestClient, headers: dict[str, str], path: str) -> None:
    assert app_client.post(path, headers=headers, json={"q": "a dog"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_our_own_page_and_programs_may(app_client: TestClient, headers: dict[str, str]) -> None:
    assert app_client.post("/v1/search", headers=headers, json={"q": "a dog"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_here_but_neither_show_nor_time_anything(
    app_client: TestClient, ids: list[str], site: str
) -> None:
    for path in ("/v1/search?q=dog", f"/v1/items/{ids[0]}/picture", f"/v1/items/{ids[0]}/thumbnail"):
        shown = app_client.get(path, headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"})
        assert shown.status_code == 403
    assert app_client.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert "access-control-allow-origin" not in app_client.get("/", headers={"Origin": "http://evil.example"}).headers


def guarded_paths(ids: list[str]) -> list[str]:
    return [
        *("/", "/v1/search?q=dog", "/v1/search/stream?q=dog", "/v1/health/ready", "/metrics", "/v1/openapi.json"),
        *(f"/v1/items/{ids[0]}", f"/v1/items/{ids[0]}/picture", f"/v1/items/{ids[0]}/thumbnail", "/nothing"),
        *("//v1/health/live", "/v1/health/live/", "/static", "/login/", "/v1/health/live%2f..%2f..%2fsearch?q=a"),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Cookie": f"crossgraph_token={TOKEN[:-1]}"},
        {"Cookie": f"token={TOKEN}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}", "Cookie": f"crossgraph_token={TOKEN}"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
def test_without_the_token_nothing_is_said_not_even_a_picture(
    client_with: Maker, ids: list[str], headers: dict[str, str]
) -> None:
    client = client_with(token=TOKEN)
    for path in guarded_paths(ids):
        refused = client.get(path, headers=headers)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in refused.text
    for path in ("/v1/search", "/v1/uploads"):
        assert client.post(path, headers=headers, json={"q": "a"}).status_code == 401


def test_with_the_token_all_is_as_without_one(client_with: Maker, ids: list[str]) -> None:
    client = client_with(token=TOKEN)
    for headers in (WITH_TOKEN, {"Authorization": f"bearer  {TOKEN}"}, {"Cookie": f"a=b; crossgraph_token={TOKEN}"}):
        for path in guarded_paths(ids)[:9]:
            assert client.get(path, headers=headers).status_code == 200, path


def test_what_needs_no_token_is_little(client_with: Maker) -> None:
    client = client_with(token=TOKEN)
    for path in ("/v1/health/live", "/login", "/static/page.css"):
        assert client.get(path).status_code == 200
    assert client.get("/static/../v1/search?q=a").status_code == 401
    assert client.get("/static/%2e%2e/v1/search?q=a").status_code in (401, 404)


@pytest.mark.parametrize("shown", [None, "", "a", TOKEN[:-1], TOKEN[:-1] + "x", TOKEN, TOKEN * 1000, "ü\udcff", "\0"])
def test_tokens_are_compared_in_constant_time_whatever_their_length(
    shown: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", noted)
    assert access.is_right(shown, TOKEN) == (shown == TOKEN)
    assert [tuple(map(len, pair)) for pair in compared] == [(32, 32)]


def test_a_link_with_the_token_signs_a_browser_in_and_takes_it_out_of_the_address(client_with: Maker) -> None:
    client = client_with(token=TOKEN)
    answer = client.get(f"/?q=two+dogs&token={TOKEN}&k=5")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=two+dogs&k=5")
    cookie = answer.headers["set-cookie"].lower()
    for flag in ("httponly", "samesite=strict", "path=/"):
        assert flag in cookie
    assert "domain" not in cookie
    assert client.get("/?q=two+dogs&k=5").status_code == 200
    assert client_with(token=TOKEN).get(f"/?token={TOKEN}x").status_code == 401
    assert client_with(token=TOKEN).post(f"/v1/search?token={TOKEN}", json={"q": "a"}).status_code == 401


def test_a_browser_is_asked_for_the_token_and_comes_back_to_where_it_was(client_with: Maker) -> None:
    client = client_with(token=TOKEN)
    asked = client.get("/?q=two dogs&where=width > 1", headers=HTML)
    assert asked.status_code == 303
    form = client.get(asked.headers["location"])
    assert form.status_code == 200
    wanted = form.text.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    wrong = client.post("/login", data={"token": TOKEN[:-1], "next": wanted})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = client.post("/login", data={"token": TOKEN, "next": wanted})
    assert right.status_code == 303
    assert right.headers["location"] in ("/?q=two%20dogs&where=width%20%3E%201", "/?q=two+dogs&where=width+%3E+1")
    assert client.get(right.headers["location"]).status_code == 200


def test_a_long_link_is_come_back_to_and_one_too_long_to_be_asked_for_signs_in_all_the_same(client_with: Maker) -> None:
    client = client_with(token=TOKEN)
    corners = ";".join(f"0.{place:04},0.{place:04}" for place in range(100, 220))
    asked = client.get("/", params={"q": "two dogs", "region": corners}, headers=HTML)
    form = client.get(asked.headers["location"])
    wanted = form.text.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    assert len(wanted) > 1_500
    right = client.post("/login", data={"token": TOKEN, "next": wanted})
    assert (right.status_code, right.headers["location"]) == (303, wanted)
    endless = client.post("/login", data={"token": TOKEN, "next": "/?q=" + "x" * 99_999})
    assert (endless.status_code, endless.headers["location"]) == (303, "/")


def test_a_wrong_token_is_told_where_the_right_one_is_known(client_with: Maker) -> None:
    told = client_with(token=TOKEN).post("/login", data={"token": "x" * 20}).text
    assert "<code>--token</code> or <code>CROSSGRAPH_TOKEN</code> said" in told


@pytest.mark.parametrize("script", [{"HX-Request": "true"}, {"Sec-Fetch-Dest": "empty"}])
def test_a_script_is_told_that_the_token_is_wanted_and_gets_no_form(client_with: Maker, script: dict[str, str]) -> None:
    client = client_with(token=TOKEN)
    for path in ("/parts/page?q=dog", "/parts/more?q=dog", "/picture/a?q=dog"):
        assert client.get(path, headers=HTML | script).status_code == 401
    assert client.get("/?q=dog", headers=HTML | {"Sec-Fetch-Dest": "document"}).status_code == 303


def test_signing_in_leads_back_to_a_long_search(client_with: Maker) -> None:
    wanted = f"/?q={'dog+' * 400}a&where={'id+!=+1+and+' * 100}id+!=+2"
    answer = client_with(token=TOKEN).post("/login", data={"token": TOKEN, "next": wanted})
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)"),
        *("/%09/evil.example", "/\t/evil.example", "/\r\nSet-Cookie: a=b", "%2f%2fevil.example", "/%2fevil.example"),
        *("/%5cevil.example", "", "evil.example", "///evil.example", "/?a\r\nX: y", "/?\x00", "http:/evil.example"),
    ],
)
def test_signing_in_leads_nowhere_else(client_with: Maker, elsewhere: str) -> None:
    client = client_with(token=TOKEN)
    location = client.post("/login", data={"token": TOKEN, "next": elsewhere}).headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "evil.example" not in location
    assert "\r" not in location
    assert "\n" not in location


def test_wrong_tokens_count_for_the_rate_also_for_pictures_and_health(
    client_with: Maker, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = types.SimpleNamespace(time=lambda: 1000.0)  # a busy machine would need more than one second for these
    monkeypatch.setattr("limits.storage.memory.time", stopped)
    for path, most in (("/v1/health/ready", 5), ("/login", 5), (f"/v1/items/{ids[0]}/picture", 50)):
        client = client_with(token=TOKEN, rate=5)
        said = [client.get(path, headers={"Authorization": f"Bearer {n:032}"}).status_code for n in range(3 * most)]
        assert 429 in said, path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "0.0.0.0"}, "must show a token"),
        ({"host": "192.168.1.5"}, "must show a token"),
        ({"host": "::"}, "must show a token"),
        ({"host": "photos.lan"}, "must show a token"),
        ({"token": "short"}, "16"),
        ({"token": "with spaces in it, and long"}, "letters, digits"),
        ({"token": "ümlaut-ümlaut-ümlaut"}, "letters, digits"),
        ({"token": "line\nbreak-line\nbreak"}, "letters, digits"),
        ({"patience": 0.0}, "patience"),
        ({"seconds": float("nan")}, "seconds"),
        ({"port": 70_000}, "65535"),
    ],
)
def test_a_server_that_would_not_be_safe_does_not_start(
    settings: ServerSettings, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ServerSettings(settings.gallery, **changes)
