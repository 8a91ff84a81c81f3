"""The pages, one file a subject. Each has an `APIRouter` named `pages`."""

from fastapi import APIRouter


def page_routes() -> tuple[APIRouter, ...]:
    """The routes of every page."""
    from web.pages import ask, documents, home, sign_in, sources, threads, usage

    return tuple(part.pages for part in (sign_in, home, ask, threads, documents, usage, sources))
