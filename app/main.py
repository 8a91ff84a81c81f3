"""The web server: builds the app from the settings and runs it with uvicorn."""

import signal
import socket
import sys
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from app.core.config import Settings, get_settings
from app.core.errors import ConfigurationError
from app.core.logs import configure_logging
from app.keeper import WorkerKeeper
from app.wiring import House
from web.application import create_app


def make_app() -> FastAPI:
    """The app of this installation, for uvicorn's `--factory`."""
    return create_app(House(get_settings()).services)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        ConfigurationError: `address_in_use`, where another program does, or the address is not ours.
    """
    found = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
    except OSError as error:
        found.close()
        raise ConfigurationError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Choose another with --port or RUNG_PORT.",
            code="address_in_use",
        ) from error
    return found


def serve(
    settings: Settings,
    *,
    house: House | None = None,
    listener: socket.socket | None = None,
    when_ready: Callable[[], None] | None = None,
) -> None:
    """Runs the web server until it is told to stop, and beside it a worker while there is work.

    Args:
        house: the installation, where the caller has built it already.
        listener: from `listen`, where the caller wanted to know early that the port is free.
        when_ready: called once the server accepts connections.

    Raises:
        ConfigurationError: `address_in_use`.
    """
    configure_logging(settings)
    listener = listener or listen(settings)
    it = house or House(settings)
    keeper = _make_keeper(settings, it) if settings.worker == "with-serve" else None
    _end_well_when_told()
    try:
        it.tidy_up()
        app = create_app(it.services)
        # The weights load beside the first page, not before it; a question that comes earlier waits.
        threading.Thread(target=it.warm_up, name="warm-up", daemon=True).start()
        if keeper is not None:
            keeper.start()
        config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=10)
        _Server(config, when_ready).run(sockets=[listener])
    finally:
        if keeper is not None:
            keeper.close()
        it.close()
        listener.close()


def _make_keeper(settings: Settings, house: House) -> WorkerKeeper:
    return WorkerKeeper(
        settings,
        is_wanted=lambda: house.workers.has_work() or house.reindexer.status() is not None,
        is_there=lambda: bool(house.workers.alive()),
        trouble=house.worker_trouble,
    )


def _end_well_when_told() -> None:
    """uvicorn stops at SIGTERM, and then lets the signal do what it did before: without this, end at once."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


class _Server(uvicorn.Server):
    """Tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._when_ready:
            self._when_ready()
