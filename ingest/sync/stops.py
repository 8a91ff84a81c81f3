"""How a run ends before its end: on request, for a pause, or because its process ends."""

from app.core.errors import ConflictError


class CancelledError(ConflictError):
    """Somebody asked the run to stop."""

    default_code = "sync_cancelled"


class PausedError(ConflictError):
    """Somebody paused the source; the run keeps its place."""

    default_code = "sync_paused"


class InterruptedSyncError(ConflictError):
    """The process was asked to end; the run is left open, to be resumed."""

    default_code = "sync_interrupted"
