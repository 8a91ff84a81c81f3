"""`/api/v1/sources…` and `/api/v1/connectors`, for admins: all that the pages of sources do."""

from fastapi import APIRouter

from web.api.admin.sources import acts, looking, reading, setting_up
from web.api.shapes import PROBLEMS

api = APIRouter(prefix="/api/v1", tags=["sources"], responses=PROBLEMS)
for part in (reading, setting_up, looking, acts):
    api.include_router(part.api)
