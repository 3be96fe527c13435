"""Two workers that wait for what to do: both do the same, each in its own process, and say what came out."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from crossgraph.training.workers import joined

Work = Callable[..., Any]
"""A function of a module: it gets the workers, then what the test gives."""


@dataclass(frozen=True)
class Pair:
    pipes: list[Connection]

    def do(self, work: Work, *args: object) -> list[Any]:
        """What both workers answer; raises what the first of them raised."""
        for pipe in self.pipes:
            pipe.send((work, args))
        answers = [pipe.recv() if pipe.poll(120) else TimeoutError("a worker does not answer") for pipe in self.pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


@contextmanager
def worker_pair() -> Iterator[Pair]:
    """Two workers, until the end of the block."""
    start = multiprocessing.get_context("spawn")
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))  # type: ignore[attr-defined]
    pipes, processes = [], []
    for rank in range(2):
        here, there = start.Pipe()
        process = start.Process(target=_serve, args=(there, rank, store.port), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    try:
        yield Pair(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(20)
            process.kill()


def _serve(pipe: Connection, rank: int, port: int) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, is_master=False, timeout=timedelta(seconds=60))  # type: ignore[attr-defined]
    with joined(rank=rank, count=2, store=store, device="cpu") as workers:
        while True:
            try:
                work, args = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(work(workers, *args))
            except Exception as error:  # noqa: BLE001 whatever it is, the test wants to see it
                pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))
