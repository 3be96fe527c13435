"""Who may ask: the name that a request calls the server by, where it comes from, and the token it shows."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossgraph.serving.problems import Problem
from crossgraph.serving.settings import ServerSettings

COOKIE = "crossgraph_token"
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/v1/health/live", "/login", "/static/")
"""What needs no token: whether the process is alive, and the page that asks for one."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.ASCII)


def require_access(request: Request, settings: ServerSettings) -> Response | None:
    """None for who may ask, or a redirect that first takes a browser elsewhere. Raises `Problem` 421, 403 or 401.

    A script is not taken elsewhere: it would put the form that asks for the token into the page.
    """
    require_known_host(request.headers, settings)
    require_own_origin(request.method, request.headers)
    token, path = settings.token, request.scope["path"]
    if token is None or any(path == one or (one.endswith("/") and path.startswith(one)) for one in OPEN):
        return None
    here = own_address(request.scope["path"], str(request.url.remove_query_params("token").query))
    given = request.query_params.get("token")
    if given is not None and request.method == "GET" and is_right(given, token):
        return signed_in(RedirectResponse(here, 303), token)
    if is_right(shown_token(request.headers, request.cookies), token):
        return None
    browses = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if browses and not by_script(request.headers):
        return RedirectResponse(f"/login?next={quote(here, safe='/')}", 303)
    raise Problem(
        401,
        "a token is wanted: send the header `Authorization: Bearer TOKEN`, with what --token said at the start of the "
        "server.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def by_script(headers: Headers) -> bool:
    """Whether a script of the page asks, and not the browser for a page. Only over https, and to this machine itself,
    do browsers say so by themselves: the scripts send `HX-Request`.
    """
    return headers.get("hx-request") == "true" or headers.get("sec-fetch-dest") == "empty"


def require_known_host(headers: Headers, settings: ServerSettings) -> None:
    """Raise `Problem` 421 unless the request calls the server by a name of its own: else a page of another site, whose
    name was made to lead here, could read it.
    """
    if settings.host in ("0.0.0.0", "::") and not settings.names:
        return  # every name may be meant, and the token guards it
    hosts = headers.getlist("host")
    name = host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None or name not in settings.known_names:
        raise Problem(
            421,
            "this server is not called so. Open it by the address it printed when it started, or start it with "
            "--allow-host NAME.",
        )


def require_own_origin(method: str, headers: Headers) -> None:
    """Raise `Problem` 403 for what a page of another site sent, or would show or time: only its links may lead here.

    Scripts cannot forge these headers, and programs other than browsers send none of them.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    foreign = site not in (None, "same-origin", "none")
    if method in SAFE:
        foreign = foreign and headers.get("sec-fetch-mode") != "navigate"
    elif origin is not None:  # a proxy may have taken https away, so schemes are not compared
        foreign = foreign or urlsplit(origin.lower()).netloc != headers.get("host", "").lower()
    if foreign:
        raise Problem(403, "pages of other sites may not use this server. Use its own page.")


def host_name(host: str) -> str | None:
    """The name in a Host header, in lower case and without its port; None for what is no name.

    >>> host_name("LocalHost:8000"), host_name("[::1]:80"), host_name("localhost@evil")
    ('localhost', '::1', None)
    """
    match = _HOST.fullmatch(host.lower())
    return None if match is None else match[1] or match[2]


def is_right(shown: str | None, token: str) -> bool:
    """Whether it is the token; takes as long for a nearly right one as for any other."""
    one, other = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (shown or "", token))
    return hmac.compare_digest(one, other) and shown is not None


def shown_token(headers: Headers, cookies: dict[str, str]) -> str | None:
    """The token that a request shows: as a bearer, or in a cookie."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else cookies.get(COOKIE)


def signed_in(response: Response, token: str) -> Response:
    """`response`, after which a browser shows the token by itself, to this server alone."""
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/", max_age=30 * 24 * 3600)
    return response


def own_address(path: str, query: str = "") -> str:
    """An address of this server, from the decoded `path` and the query as it was written; `/` for what is none."""
    if not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return quote(path) + (f"?{query}" if query else "")
