"""A small gallery to serve, servers that run in a thread, and what a browser complains about."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import uvicorn
from PIL import Image, ImageEnhance
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.app import create_app
from crossgraph.serving.library import Library
from crossgraph.serving.run import uvicorn_config
from crossgraph.serving.server import Server
from crossgraph.serving.settings import ServerSettings

SCENES = "scenes:56:1"
FOLDERS = ("holiday", 'käse & "rest"')
TINY = (
    "images.size=64",
    "images.cells=[2]",
    "training.epochs=2",
    "training.batch_size=8",
    "texts.min_count=1",
    "model.width=16",
    "model.word_width=16",
)
HOST = "http://127.0.0.1"
WAIT = 60.0


@dataclass(frozen=True)
class Served:
    """A gallery, the folder of its pictures, and its model: codes, a dual encoder and KIDRR, hardly trained.

    The pictures lie in two folders (`FOLDERS`), with captions, labels and the notes `stars` and `place`; the first four
    have a near-duplicate each, named `NAME-again.jpg`.
    """

    gallery: Path
    pictures: Path
    model: Path

    def copy(self, to: Path) -> Served:
        """Another gallery of the same pictures, copied too: a test may change both."""
        pictures = Path(shutil.copytree(self.pictures, to / "pictures"))
        return make_gallery(to / "gallery", pictures, self.model)


def train_model(root: Path) -> Path:
    """The folder of a cascade of every stage, trained for seconds."""
    corpus = crossgraph.open_corpus(SCENES)
    for method, more in (("dual_encoder", ("model.heads=2",)), ("kidrr", ())):
        config = crossgraph.read_config(None, changes=[*TINY, f"method={method}", *more])
        crossgraph.train(corpus, config, root / method, shortlist=root / "dual_encoder" if method == "kidrr" else None)
    cascade = root / "cascade"
    crossgraph.build_cascade(cascade, codes="random:16", dense=root / "dual_encoder", rerank=root / "kidrr")
    return cascade


def draw_pictures(folder: Path) -> Path:
    """Drawn scenes in two folders, with their captions and labels; four of them twice."""
    corpus, rows = crossgraph.open_corpus(SCENES), []
    captions = corpus.image_paths[0].parents[1] / "captions.jsonl"
    told = [json.loads(line) for line in captions.read_text(encoding="utf-8").splitlines()]
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for number, (path, row) in enumerate(zip(corpus.image_paths, told, strict=True)):
        place = folder / FOLDERS[number % 2] / path.name
        shutil.copy(path, place)
        rows.append(row | {"image": str(place.relative_to(folder))})
        if number < 4:
            again = place.with_name(f"{place.stem}-again.jpg")
            with Image.open(path) as image:
                ImageEnhance.Brightness(image.convert("RGB")).enhance(1.02).save(again, quality=80)
            rows.append(row | {"image": str(again.relative_to(folder))})
    lines = "".join(json.dumps({key: row[key] for key in ("image", "captions", "labels")}) + "\n" for row in rows)
    (folder / "captions.jsonl").write_text(lines, encoding="utf-8")
    return folder


def make_gallery(folder: Path, pictures: Path, model: Path) -> Served:
    """A gallery of the `pictures`, with notes on the first twenty."""
    crossgraph.index(pictures, folder, model=model)
    opened = crossgraph.Gallery.open(folder)
    ids = sorted(opened.snapshot().items["id"].to_pylist())[:20]
    opened.annotate(
        {name: {"stars": place % 5 + 1, "place": "Ulm" if place % 2 else "Köln"} for place, name in enumerate(ids)}
    )
    return Served(folder, pictures, model)


class WarmLibrary(Library):
    """A library whose gallery was opened before, so that a server is ready at once."""

    def __init__(self, settings: ServerSettings, opened: crossgraph.Gallery) -> None:
        super().__init__(settings)
        self._opened = opened

    def start(self, then: Callable[[crossgraph.Gallery], None] | None = None) -> None:
        """Be ready."""
        self._gallery, self.phase, self._took = self._opened, "ready", 0.0
        if then is not None:
            then(self._opened)


def warm_server(settings: ServerSettings, opened: crossgraph.Gallery) -> Server:
    """The parts of a server over a gallery that is open already."""
    return replace(Server.of(settings), library=WarmLibrary(settings, opened))


@contextmanager
def client_of(settings: ServerSettings, opened: crossgraph.Gallery) -> Iterator[TestClient]:
    """A client of an application in this process; `client.app.state.server` are the server's parts."""
    app = create_app(settings, server=warm_server(settings, opened))
    with TestClient(app, base_url=HOST, follow_redirects=False) as client:
        yield client


@dataclass
class LiveServer:
    """A real server on a port of 127.0.0.1, in a thread; it can be stopped, and started again on the same port."""

    make: Callable[[int], uvicorn.Config]
    port: int = field(default_factory=lambda: free_port())
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"{HOST}:{self.port}"

    @property
    def uvicorn(self) -> uvicorn.Server:
        """The server that runs."""
        assert self._server is not None
        return self._server

    def start(self) -> LiveServer:
        """Run it, and wait until it is ready."""
        self._server = uvicorn.Server(self.make(self.port))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_for(lambda: self.uvicorn.started)
        wait_for(lambda: httpx.get(f"{self.url}/v1/health/ready").status_code in (200, 401))  # some want a token
        return self

    def stop(self) -> None:
        """Let it finish what it does, and end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(WAIT)
            assert not self._thread.is_alive(), f"still at {_stack_of(self._thread)}"
        self._server = self._thread = None

    def connect(self) -> socket.socket:
        """A plain connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)


def live(settings: ServerSettings, opened: crossgraph.Gallery) -> LiveServer:
    """A server over a gallery that is open already, not yet started."""

    def make(port: int) -> uvicorn.Config:
        own = replace(settings, port=port)
        return uvicorn_config(own, create_app(own, server=warm_server(own, opened)))

    return LiveServer(make)


def wait_for(done: Callable[[], bool]) -> None:
    """Return once `done` says so."""
    until = time.monotonic() + WAIT
    while not done():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def _stack_of(thread: threading.Thread) -> str:
    """Where a thread is."""
    return "".join(traceback.format_stack(sys._current_frames().get(thread.ident)))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
