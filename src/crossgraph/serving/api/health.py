"""Whether the server lives, whether it can answer, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from crossgraph.serving.metrics import MEDIA_TYPE
from crossgraph.serving.problems import documented
from crossgraph.serving.schemas import HealthOut
from crossgraph.serving.server import TheServer

router = APIRouter(tags=["health"])


@router.get("/v1/health/live", responses=documented())
async def live(server: TheServer) -> HealthOut:
    """That the process answers."""
    return _health(server, "alive")


@router.get("/v1/health/ready", response_model=HealthOut, responses={**documented(), 503: {"model": HealthOut}})
async def ready(server: TheServer) -> Response:
    """Whether model and index are warm; 503 until then."""
    library = server.library
    status = "ready" if library.is_ready else "failed" if library.phase == "failed" else "loading"
    told = _health(server, status).model_dump()
    return JSONResponse(
        told, 200 if library.is_ready else 503, headers={} if library.is_ready else {"Retry-After": "2"}
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses={**documented(), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(server: TheServer) -> Response:
    """Counters, timings and sizes, for Prometheus."""
    counted, library = server.metrics, server.library
    for engine in (server.engine, server.files, server.evaluated.engine):
        counted.inside.labels(engine.name).set(engine.inside)
    counted.ready.set(library.is_ready)
    if library.is_ready:
        counted.pictures.set(await server.files.run(lambda: len(library.gallery)))
    return Response(counted.text(), media_type=MEDIA_TYPE)


def _health(server: TheServer, status: str) -> HealthOut:
    library = server.library
    return HealthOut(
        status=status,
        phase=library.phase,
        seconds=round(library.seconds, 1),
        seconds_last_time=library.seconds_last_time,
    )
