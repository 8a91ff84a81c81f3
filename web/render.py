"""Turns contexts into HTML. The only file that knows htmx: its request header, its answers, its settings.

Full pages and updates of an open page render the same parts, so that they cannot differ.
"""

import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from web.contexts import Context
from web.serving.assets import Assets

TEMPLATES_DIR = Path(__file__).resolve().parent / "templates"

HTMX_CONFIG = {
    # The content security policy allows neither eval nor inline styles.
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    # Pages hold documents: none of them may stay in the browser's storage.
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    "selfRequestsOnly": True,
    "scrollBehavior": "instant",
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": True, "error": True},
    ],
}


class Renderer:
    """The templates and the addresses of the assets."""

    def __init__(self, assets: Assets) -> None:
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES_DIR),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals.update(asset=assets.url, htmx_config=json.dumps(HTMX_CONFIG))
        self.environment.filters["thousands"] = _thousands

    def html(self, context: Context) -> str:
        """The template of this context, filled."""
        names = getattr(context, "__dataclass_fields__", {})
        values = {name: getattr(context, name) for name in names}
        return self.environment.get_template(context.template).render(values)

    def page(self, context: Context, *, status: int = 200) -> HTMLResponse:
        return HTMLResponse(self.html(context), status_code=status)

    def fragment(
        self, context: Context, *, status: int = 200, address: str | None = None, target: str | None = None
    ) -> HTMLResponse:
        """A part of an open page.

        Args:
            address: what the browser's address bar shall show from now on.
            target: a CSS selector to put the part into, instead of where the page asked for it.
        """
        response = HTMLResponse(self.html(context), status_code=status)
        if address is not None:
            response.headers["HX-Push-Url"] = address
        if target is not None:
            response.headers["HX-Retarget"] = target
            response.headers["HX-Reswap"] = "innerHTML"
        return response


def wants_fragment(request: Request) -> bool:
    """True when a script of an open page asks for a part of it."""
    return request.headers.get("hx-request") == "true"


def asked_from(request: Request) -> str:
    """The id of the element that the part goes into, or nothing."""
    return request.headers.get("hx-target", "")


def go_to(request: Request, path: str) -> Response:
    """Sends the browser to another page, whether a form or a script asked."""
    if wants_fragment(request):
        return Response(status_code=204, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
