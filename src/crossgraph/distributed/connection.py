"""A Ray cluster joined, or a private one started on this machine, with a clear error where that cannot be."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crossgraph.distributed.settings import ClusterSettings
from crossgraph.errors import ClusterError, MissingExtraError

STORE_BYTES = 256 * 2**20
"""Shared memory of a private cluster: encoded batches on their way to the process that stores them."""

HTTP2, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\4"
"""How a client of gRPC begins, and the kind of frame that its server answers with (RFC 9113, 3.4)."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what it will do one day
}


@dataclass(frozen=True)
class Connection:
    """An open connection: the module `ray`, and what was asked for."""

    ray: Any
    settings: ClusterSettings

    def total(self, resource: str = "CPU") -> float:
        """How much of a resource the nodes that live have together."""
        return float(self.ray.cluster_resources().get(resource, 0))

    def free(self, resource: str = "CPU") -> float:
        """How much of it nobody uses now."""
        return float(self.ray.available_resources().get(resource, 0))

    def living_nodes(self) -> set[str]:
        """The ids of the nodes that live."""
        return {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}

    @property
    def workers(self) -> int:
        """How many workers to have. Raises `ClusterError` if not even one fits, or not as many as were asked for."""
        total, settings = self.total(), self.settings
        fit = int(total // settings.threads)
        if fit < (settings.workers or 1):
            raise ClusterError(
                f"{settings.workers or 1} workers of {settings.threads} processors do not fit: the cluster has "
                f"{total:g} processors. Ask for fewer workers or threads, or add a node."
            )
        return settings.workers or fit

    def await_room(self) -> None:
        """Wait until one worker fits. Raises `ClusterError` after `start_seconds`."""
        needed, until = self.settings.threads, time.monotonic() + self.settings.start_seconds
        while self.free() < needed:
            if time.monotonic() > until:
                raise ClusterError(
                    f"no worker fits into the cluster: it has {self.total():g} processors, of which {self.free():g} "
                    f"are free, and a worker needs {needed}. Wait until others are done, or add a node."
                )
            time.sleep(0.5)


def ray_module() -> Any:
    """The module `ray`. Raises `MissingExtraError` where it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            f"--cluster needs Ray, which cannot be imported ({error}). Install it: pip install 'crossgraph[ray]'."
        ) from None
    return ray


@contextmanager
def connected(settings: ClusterSettings) -> Iterator[Connection]:
    """The cluster that is meant; a private one ends with the block. One that this process has joined already is kept.

    Raises `ClusterError` if it cannot be reached.
    """
    if settings.is_local:  # Ray then keeps to 127.0.0.1
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve beside any other work
    ray = ray_module()
    if ray.is_initialized():
        yield Connection(ray, settings)
        return
    folder = tempfile.mkdtemp(prefix="cg-ray-") if settings.is_local else None  # short: sockets lie in it
    try:
        _join(ray, settings, folder)
        yield Connection(ray, settings)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _join(ray: Any, settings: ClusterSettings, folder: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Lance is not fork-safe: what Ray forks here becomes another program
            _init(ray, settings, folder, quiet)
    except ray.exceptions.AuthenticationError as error:
        raise ClusterError(
            f"the cluster at {settings.address} asks for a token. Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            f"~/.ray/auth_token as on its nodes ({_first_line(error)})."
        ) from None
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError, ray.exceptions.RayError) as error:
        if settings.is_local:
            raise ClusterError(f"Ray could not be started on this machine: {_first_line(error)}") from error
        raise ClusterError(
            f"the Ray cluster at {settings.address} could not be joined: {_first_line(error)} This machine must be one "
            "of its nodes (ray start --address=HOST:PORT), with the same versions of Ray and Python."
        ) from error
    _be_quiet(ray)


def _init(ray: Any, settings: ClusterSettings, folder: str | None, quiet: dict[str, Any]) -> None:
    if folder is not None:
        processors = (settings.workers or 1) * settings.threads
        ray.init(
            address="local",
            num_cpus=processors,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            _temp_dir=folder,
            **quiet,
        )
    else:
        if settings.address != "auto":
            require_answer(settings.address)
        ray.init(address=settings.address, **quiet)


def require_answer(address: str) -> None:
    """Raise `ClusterError` unless a server like Ray's answers there: Ray itself would try for minutes, or for ever."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as probe:
            probe.sendall(HTTP2)
            answer = probe.recv(9)
    except OSError as error:
        raise ClusterError(
            f"nothing answers at {address} ({error.strerror or error}). Start the cluster there (ray start --head), "
            "or give its address."
        ) from None
    if answer[3:4] != SETTINGS:
        raise ClusterError(f"what answers at {address} is no Ray cluster. Give the address that ray start --head says.")


def _be_quiet(ray: Any) -> None:
    """Keep what Ray tells of processes that ended off stdout, which belongs to answers."""
    streams = getattr(ray._private.ray_logging, "global_worker_stdstream_dispatcher", None)
    if streams is not None:
        streams.remove_handler("ray_print_logs")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
