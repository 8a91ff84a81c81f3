"""The web server: builds the app from the settings and runs it with uvicorn."""

import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from app.core.config import Settings, get_settings
from app.core.logs import configure_logging
from app.wiring import House
from web.application import create_app


def make_app() -> FastAPI:
    """The app of this installation, for uvicorn's `--factory`."""
    return create_app(House(get_settings()).services)


def serve(
    settings: Settings, *, house: House | None = None, when_ready: Callable[[], None] | None = None
) -> None:
    """Runs the web server until it is told to stop.

    Args:
        house: the installation, where the caller has built it already.
        when_ready: called once the server accepts connections.
    """
    configure_logging(settings)
    it = house or House(settings)
    it.tidy_up()
    app = create_app(it.services)
    # The weights load beside the first page, not before it; a question that comes earlier waits for them.
    threading.Thread(target=it.embedder.warm_up, name="warm-up", daemon=True).start()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = _Server(config, when_ready)
    try:
        server.run()
    finally:
        it.close()


class _Server(uvicorn.Server):
    """Tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and self._when_ready:
            self._when_ready()
