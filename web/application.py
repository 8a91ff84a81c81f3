"""Builds the web application from the services of an installation."""

from fastapi import FastAPI, Request
from starlette.responses import Response

from app.core.errors import RungError
from web import errors
from web.api import ask as api_ask
from web.api import health, queries
from web.api import search as api_search
from web.api import usage as api_usage
from web.api.admin import budgets as api_budgets
from web.api.admin import catalogue as api_catalogue
from web.api.admin import models as api_models
from web.api.admin import quality as api_quality
from web.api.admin import sources as api_sources
from web.deps import Services, Web
from web.pages import ask, documents, home, sign_in, threads, usage
from web.pages.admin import adapters, budgets, models, prompts, quality, sources, trials
from web.render import Renderer
from web.serving.assets import Assets
from web.serving.metrics import Measured, Metrics
from web.serving.security import Protection
from web.serving.stream import Streams

PAGES = (
    *(sign_in, home, ask, threads, documents, usage),
    *(budgets, sources, models, adapters, trials, prompts, quality),
)
API = (
    api_search,
    api_ask,
    queries,
    api_sources,
    api_usage,
    api_budgets,
    api_models,
    api_catalogue,
    api_quality,
    health,
)

API_DESCRIPTION = """Search and ask a company's own documents, with the price of every answer.

Send an API key as `Authorization: Bearer rung_…`. Everything happens with the access of the key's owner.
Errors are `application/problem+json` with a stable `code`."""


def create_app(services: Services) -> FastAPI:
    """The application: pages for people, `/api/v1` for programs, and the addresses that operators watch.

    Raises:
        ConfigurationError: `assets_missing` when the locked web assets are not installed.
    """
    assets = Assets()
    renderer, metrics = Renderer(assets), Metrics()
    app = FastAPI(
        title="Rung",
        version="1",
        description=API_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.web = Web(renderer=renderer, metrics=metrics, streams=Streams(metrics))
    errors.install(app, renderer)

    async def respond(request: Request, error: RungError) -> Response:
        return errors.to_response(request, error, renderer)

    app.add_middleware(Protection, respond=respond, public_url=services.settings.base_url)
    app.add_middleware(Measured, metrics=metrics)
    app.add_route("/static/{digest}/{name:path}", assets.respond, include_in_schema=False)
    for part in PAGES:
        app.include_router(part.pages)
    for part in API:
        app.include_router(part.api)
    return app
