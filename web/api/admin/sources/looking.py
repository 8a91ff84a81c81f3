"""Looking at a source without storing anything."""

from fastapi import APIRouter

from web.api.admin.sources.filling import check_out, estimate_out, preview_out
from web.api.admin.sources.shapes import CheckOut, EstimateOut, PreviewOut
from web.auth import Admin
from web.deps import Given

api = APIRouter()


@api.post("/sources/{name}/check")
def check(name: str, admin: Admin, services: Given) -> CheckOut:
    """Whether it can be reached, signed in to and read, and what to do if not."""
    return check_out(services.set_up.check(name, actor=admin.email))


@api.get("/sources/{name}/preview")
def preview(name: str, admin: Admin, services: Given) -> PreviewOut:
    """Ten documents as they would be indexed, with who could see them."""
    return preview_out(services.set_up.preview(name, actor=admin.email))


@api.get("/sources/{name}/estimate")
def estimate(name: str, admin: Admin, services: Given) -> EstimateOut:
    """How many documents, how long and how much room a first sync takes."""
    return estimate_out(services.set_up.estimate(name, actor=admin.email))
