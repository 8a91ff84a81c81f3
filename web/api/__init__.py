"""The JSON API and the addresses that operators watch. Each file has an `APIRouter` named `api`."""

from fastapi import APIRouter


def api_routes() -> tuple[APIRouter, ...]:
    """The routes of the whole API."""
    from web.api import ask, health, queries, search, sources, usage

    return tuple(part.api for part in (search, ask, queries, sources, usage, health))
