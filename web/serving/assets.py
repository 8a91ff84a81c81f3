"""Scripts and styles: our own and three locked packages, served under addresses that carry their hash.

An address changes whenever the content does, so a browser may keep each file for a year.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from app.core.config import PROJECT_DIR
from app.core.errors import ConfigurationError, NotFoundError

STATIC_DIR = Path(__file__).resolve().parents[1] / "static"

VENDOR_FILES: Mapping[str, str] = {
    "vendor/htmx.min.js": "htmx.org/dist/htmx.min.js",
    "vendor/sse.min.js": "htmx-ext-sse/dist/sse.min.js",
    "vendor/pico.classless.min.css": "@picocss/pico/css/pico.classless.min.css",
}
"""The only files of node_modules that are served."""

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    digest: str


class Assets:
    """All files, read once at start.

    Raises:
        ConfigurationError: `assets_missing` when the locked packages are not installed.
    """

    def __init__(self, *, static: Path = STATIC_DIR, packages: Path = PROJECT_DIR / "node_modules") -> None:
        self._assets: dict[str, Asset] = {}
        for path in sorted(static.iterdir()):
            self._add(path.name, path.read_bytes())
        for name, source in VENDOR_FILES.items():
            self._add(name, _read_package(packages / source))
        reset = self.url("vendor/pico.classless.min.css")
        self._add("base.css", f'@import url("{reset}") layer(base);\n'.encode())

    def url(self, name: str) -> str:
        """The address of a file. Raises KeyError for a name that is not served."""
        return f"/static/{self._assets[name].digest}/{name}"

    async def respond(self, request: Request) -> Response:
        """Answers `/static/{digest}/{name}`; an address of another version is not found."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None or asset.digest != request.path_params["digest"]:
            raise NotFoundError("This file is not part of this version of Rung; load the page again.")
        headers = {"Cache-Control": _A_YEAR, "X-Content-Type-Options": "nosniff"}
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    def _add(self, name: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()[:16]
        self._assets[name] = Asset(content, _TYPES[Path(name).suffix], digest)


def _read_package(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"The web assets are not installed ({path.name} is missing): run `make install`.",
            code="assets_missing",
        ) from error
