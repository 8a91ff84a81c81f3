"""Looks at every part of an installation and says what is wrong and how to mend it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.core.errors import RungError

if TYPE_CHECKING:
    from app.wiring import House


@dataclass(frozen=True, slots=True)
class Finding:
    """One part that was looked at."""

    part: str
    state: Literal["ok", "off", "wrong"]
    detail: str


def examine(house: "House", *, quick: bool = False) -> list[Finding]:
    """Looks at each part; `quick` leaves out what takes seconds (weights, the whole ledger)."""
    looks: list[tuple[str, Callable[[House], Finding]]] = [("database", _database), ("index", _index)]
    looks += [("re-indexing", _reindexing), ("worker", _worker)]
    if not quick:
        looks += [("encoder", _encoder), ("reader", _reader), ("ladder", _ladder), ("ledger", _ledger)]
    findings = []
    for part, look in looks:
        try:
            findings.append(look(house))
        except RungError as error:
            findings.append(Finding(part, "wrong", error.message))
    return findings


def _database(house: "House") -> Finding:
    from app.migrations import current

    kind = "SQLite" if house.database.is_sqlite else "PostgreSQL"
    return Finding(
        "database", "ok", f"{kind} at {current(house.database)}; {len(house.directory.list())} people"
    )


def _index(house: "House") -> Finding:
    stats = house.index.stats()
    where = house.settings.qdrant_url or "embedded"
    expected = sum(source.chunks for source in house.sources.list())
    if stats.points < expected:
        lost = f"it holds {stats.points} of {expected} chunks"
        return Finding("index", "wrong", f"{lost}; read each source again: source sync NAME --again")
    size = "" if stats.disk_bytes is None else f", {stats.disk_bytes / 1e6:.0f} MB"
    return Finding("index", "ok", f"{stats.points} chunks{size} ({where})")


def _reindexing(house: "House") -> Finding:
    status = house.reindexer.status()
    if status is None:
        return Finding("re-indexing", "ok", "nothing is due")
    return Finding("re-indexing", "off", status.message)


def _worker(house: "House") -> Finding:
    trouble = house.worker_trouble.read()
    if trouble is not None:
        return Finding("worker", "wrong", trouble)
    alive = house.workers.alive()
    if alive:
        return Finding("worker", "ok", f"{len(alive)} at work ({', '.join(alive)})")
    waiting = house.workers.has_work()
    if house.settings.worker == "separate" and waiting:
        return Finding("worker", "wrong", "syncs wait and no worker runs; start one: python -m app worker")
    if waiting:
        return Finding("worker", "off", "syncs wait; `serve` starts a worker, or run: python -m app worker")
    return Finding("worker", "off", "none runs, and nothing waits for one")


def _encoder(house: "House") -> Finding:
    house.embedder.warm_up()
    return Finding("encoder", "ok", f"{house.embedder.name}, {house.embedder.dimensions} numbers")


def _reader(house: "House") -> Finding:
    house.reader.warm_up()
    return Finding("reader", "ok", f"{house.reader.name}, trained {house.reader.about.trained_at:%Y-%m-%d}")


def _ladder(house: "House") -> Finding:
    tiers = house.answerer.ladder.tiers
    words = "; ".join(f"{tier.name}: {tier.unavailable or 'on'}" for tier in tiers)
    return Finding("ladder", "off" if any(tier.unavailable for tier in tiers) else "ok", words)


def _ledger(house: "House") -> Finding:
    report = house.ledger.verify()
    if report.ok:
        return Finding("ledger", "ok", f"{report.rows} rows, whole")
    return Finding("ledger", "wrong", f"row {report.first_bad_seq}: {report.problem}")
