"""The pages of sources: the list, the steps of the setting up, each source's own page, and its buttons."""

from fastapi import APIRouter

from web.pages.admin.sources import acts, listing, setting_up, status

pages = APIRouter(include_in_schema=False)
# The tiles come before the page of a source: both are one word behind /sources.
for part in (listing, setting_up, status, acts):
    pages.include_router(part.pages)
