"""`/healthz`, `/readyz` and `/metrics`, for whoever keeps Rung running."""

from ipaddress import ip_address
from typing import Literal

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.core.errors import ForbiddenError
from web.auth import find_caller
from web.deps import Given, Kit

api = APIRouter(tags=["operation"])


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Check(BaseModel):
    name: str
    ok: bool
    detail: str


class Readiness(BaseModel):
    status: Literal["ready", "not_ready"]
    checks: list[Check]


@api.get("/healthz")
def healthz() -> Alive:
    """The process answers. It says nothing of its parts."""
    return Alive()


@api.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
def readyz(services: Given) -> Response:
    """Whether database and index answer: 200, or 503 with what does not."""
    checks = [Check(name=c.name, ok=c.ok, detail="" if c.ok else c.detail) for c in services.health()]
    ready = all(check.ok for check in checks)
    body = Readiness(status="ready" if ready else "not_ready", checks=checks)
    return JSONResponse(body.model_dump(), status_code=200 if ready else 503)


@api.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request, services: Given, kit: Kit) -> Response:
    """Prometheus counters: from this machine without a proxy between, or with an admin's key."""
    if not _is_local(request):
        caller = find_caller(request, services)
        if caller is None or not caller.is_admin:
            raise ForbiddenError("Read the metrics from this machine, or with an admin's API key.")
    return Response(kit.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    # Behind a proxy every request comes from this machine, so a forwarded one proves nothing.
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
