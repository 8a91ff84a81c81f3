"""The worker: runs the syncs that were queued, and builds a new index where one is due.

`jobs` has the durable jobs, `process` what a worker's process does besides. `app.keeper` starts one beside
the web server. Light to import: the engine of jobs is only loaded by a worker.
"""

from app.worker.jobs import run_worker
from app.worker.process import enqueue_sync, give_way, run

__all__ = ["enqueue_sync", "give_way", "run", "run_worker"]
