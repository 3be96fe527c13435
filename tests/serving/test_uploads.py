"""Pictures that strangers send: bombs, files that are two things, forms of thousands of parts, more than may be sent."""  # noqa: E501

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from crossgraph.serving.problems import Problem
from crossgraph.serving.uploads import Uploads
from tests.gallery.test_guarded_decode import drawn, png_bomb, written, zipped

Maker = Callable[..., TestClient]
PNG = written("PNG")
BOUNDARY = "xyz"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def send(client: TestClient, content: bytes, name: str = "a.png", kind: str = "image/png") -> Any:
    return client.post("/v1/uploads", files={"picture": (name, content, kind)})


def gif_bomb() -> bytes:
    """A GIF that says it has 65,535 x 65,535 pixels."""
    return (
        b"GIF89a"
        + struct.pack("<HH", 65_535, 65_535)
        + b"\xf0\0\0"
        + bytes(6)
        + b","
        + bytes(4)
        + b"\xff\xff\xff\xff\0"
    )


def webp_bomb() -> bytes:
    """A WebP that says it has 16,384 x 16,384 pixels."""
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_383).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def true_bomb() -> bytes:
    """A PNG of 225 million pixels, all of them there, in less than a megabyte."""
    side = 15_000
    packer, packed = zlib.compressobj(9), bytearray()
    for _ in range(side):
        packed += packer.compress(bytes(side // 8 + 1))
    packed += packer.flush()

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b"")


def test_a_picture_that_was_sent_is_searched_by(app_client: TestClient) -> None:
    kept = send(app_client, written("JPEG", drawn((300, 200)))).json()
    assert (kept["width"], kept["height"]) == (300, 200)
    found = app_client.get("/v1/search", params={"term": f"1:image:{kept['id']}"}).json()
    assert (found["kind"], found["query"]) == ("image", "a picture")
    assert found["results"]


@pytest.mark.parametrize(
    "content",
    [
        *(png_bomb(30_000, 30_000), png_bomb(200_000, 1_000), gif_bomb(), webp_bomb(), true_bomb()),
        *(zipped(), gzip.compress(PNG), PNG[:60], b"", b"\0", b"<svg onload='alert(1)'/>", b"%PDF-1.7", b"%!PS-Adobe"),
        *(b"\xff\xd8\xff\xe0" + bytes(200), b"GIF89a/*" + b"*/=1;alert(1)", b"RIFF\0\0\0\0WEBP", b"BM" + bytes(60)),
        *(b"P6 9999999 9999999 255\n", b"\0\0\0\x1cftypavif" + bytes(90), b"II*\0" + b"\xff" * 90),
    ],
    ids=lambda content: f"{len(content)}",  # archives hold the time, and processes must agree on names
)
def test_bombs_and_what_is_no_picture_are_refused_and_the_next_picture_is_read(
    app_client: TestClient, content: bytes
) -> None:
    refused = send(app_client, content)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert send(app_client, PNG).status_code == 201


@pytest.mark.parametrize(
    "tail", [b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(30), b"<?php system('id'); ?>", b"%PDF-"]
)
@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
def test_of_a_file_that_is_two_things_nothing_but_pixels_is_kept(
    app_client: TestClient, kind: str, tail: bytes
) -> None:
    sent = written(kind) + tail
    kept = send(app_client, sent, "a.html", "text/html").json()
    uploads: Uploads = app_client.app.state.server.uploads  # type: ignore[attr-defined]
    content = uploads.path(kept["id"]).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert tail not in content


def test_a_gif_that_is_a_script_too_is_kept_as_pixels(app_client: TestClient) -> None:
    script = bytearray(written("GIF"))
    script[6:8] = b"/*"  # as a width: 10,799; the rest would be a comment
    assert send(app_client, bytes(script) + b"*/=1;alert(1)//").status_code in (201, 422)


def test_the_same_as_pictures_of_a_gallery_are_called_what_they_are(app_client: TestClient, ids: list[str]) -> None:
    answer = app_client.get(f"/v1/items/{ids[0]}/picture")
    assert answer.headers["content-type"] in ("image/png", "image/jpeg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_50_megabytes_are_refused_at_once_and_never_read(app_client: TestClient) -> None:
    read = 0

    def body() -> Iterator[bytes]:
        nonlocal read
        for _ in range(50):
            read += 2**20
            yield bytes(2**20)

    head = {**FORM, "Content-Length": str(50 * 2**20)}
    tracemalloc.start()
    refused = app_client.post("/v1/uploads", content=body(), headers=head)
    _, most = tracemalloc.get_traced_memory()  # noqa: RUF059
    tracemalloc.stop()
    assert refused.status_code == 413
    assert "MB" in refused.json()["detail"] or "bytes" in refused.json()["detail"]


def part(name: str, content: bytes, *more: str) -> bytes:
    lines = [
        f"--{BOUNDARY}",
        f'Content-Disposition: form-data; name="{name}"{more[0] if more else ""}',
        *more[1:],
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = '; filename="a.png"'


@pytest.mark.parametrize(
    "body",
    [
        part("picture", PNG, FILE) * 10_000,
        b"".join(part(f"field{place}", b"x") for place in range(10_000)),
        part("picture", PNG, FILE) + part("field", b"x" * 2_000_000),
        part("picture", PNG, FILE, *(f"X-{place}: y" for place in range(5_000))),
        part("picture", PNG, FILE, "X: " + "y" * 5_000_000),
        part("picture", PNG, f'; filename="{"a" * 100_000}"'),
        part("x" * 5_000_000, PNG, FILE),
        part("other", PNG, FILE),
        part("picture", PNG),
        b"no form at all",
        b"--" * 1_000_000,
        b"",
    ],
    ids=lambda body: f"{len(body)}",
)
def test_forms_that_are_no_forms_or_far_too_many_are_refused(app_client: TestClient, body: bytes) -> None:
    refused = app_client.post("/v1/uploads", content=body + END, headers=FORM)
    assert refused.status_code in (400, 413, 422)
    assert refused.headers["content-type"] == "application/problem+json"
    assert len(refused.text) < 2_000


@pytest.mark.parametrize(
    "kind",
    [
        *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 10_000),
        *("multipart/form-data; boundary=\xff", "multipart/mixed; boundary=xyz", "application/json", "image/png", ""),
        *("multipart/form-data; charset=utf-16; boundary=xyz", "multipart/form-data; charset=idna; boundary=xyz"),
    ],
)
def test_a_body_of_another_kind_is_refused(app_client: TestClient, kind: str) -> None:
    body = part("picture", PNG, FILE) + END
    refused = app_client.post("/v1/uploads", content=body, headers={"Content-Type": kind.encode("latin-1")})  # type: ignore[arg-type]
    assert refused.status_code in (201, 400, 422)
    assert b"\xff".decode("latin-1") not in refused.text


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"])
def test_packed_bodies_are_not_unpacked(app_client: TestClient, packing: str) -> None:
    for path, body in (("/v1/search", b'{"q": "dog"}'), ("/v1/uploads", part("picture", PNG, FILE) + END)):
        bomb = gzip.compress(body + b" " * 10_000_000)
        refused = app_client.post(path, content=bomb, headers={"Content-Encoding": packing, **FORM})
        assert refused.status_code == 415


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/cron.d/x",
        "/etc/passwd",
        "a\0.png",
        "a\r\nX: y.png",
        "x" * 200,
        "\u202egnp.exe",
        "con",
        "..",
        "",
        '"',
    ],
)
def test_the_name_of_a_file_that_is_sent_means_nothing(app_client: TestClient, name: str) -> None:
    answer = send(app_client, PNG, name)
    assert answer.status_code in (201, 400, 422)
    uploads: Uploads = app_client.app.state.server.uploads  # type: ignore[attr-defined]
    if answer.status_code == 201:
        path = uploads.path(answer.json()["id"])
        assert path.parent.name.startswith("crossgraph-uploads-")
        assert path.stem == answer.json()["id"]


def stored(folder: Path) -> int:
    return len(list(folder.iterdir()))


def fake_decode(data: bytes, path: Path) -> tuple[int, int]:
    path.write_bytes(data)
    if data == b"bad":
        raise Problem(422, "no")
    return 1, 1


def test_the_oldest_uploads_go_and_none_is_kept_for_ever() -> None:
    now = 0.0
    uploads = Uploads(fake_decode, most=3, seconds=10.0, clock=lambda: now)
    kept = [uploads.add(bytes([place])) for place in range(5)]
    folder = kept[0].path.parent
    assert stored(folder) == 3
    assert uploads.path(kept[4].id).read_bytes() == b"\x04"
    with pytest.raises(Problem, match="Send it again"):
        uploads.path(kept[1].id)
    now = 11.0
    with pytest.raises(Problem):
        uploads.path(kept[4].id)
    assert stored(folder) == 0
    with pytest.raises(Problem):
        uploads.add(b"bad")
    assert stored(folder) == 0
    uploads.close()
    assert not folder.exists()


def test_nothing_of_an_upload_outlives_its_server(client_with: Maker) -> None:
    client = client_with()
    kept = send(client, PNG).json()
    uploads: Uploads = client.app.state.server.uploads  # type: ignore[attr-defined]
    path = uploads.path(kept["id"])
    client.__exit__()
    assert not path.parent.exists()


def test_what_is_read_for_a_picture_is_bounded_whatever_is_sent(client_with: Maker) -> None:
    client = client_with(upload_bytes=100_000)
    noise = io.BytesIO()
    Image.effect_noise((500, 500), 100).save(noise, "PNG")
    assert send(client, noise.getvalue()[:90_000]).status_code == 422
    assert send(client, noise.getvalue()).status_code == 422
    assert send(client, bytes(700_000)).status_code == 413
