"""The processes of the benchmark that work: `python -m bench.sync.child sync|search DATA_DIR`.

Each takes commands on standard input, one a line, and answers each with a line of JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path

from app.core.config import Settings
from app.core.identity import Caller
from app.wiring import House


def main(role: str, data_dir: str) -> None:
    """Serves until its input ends."""
    house = House(Settings(_env_file=None, data_dir=Path(data_dir)))
    try:
        (_serve_sync if role == "sync" else _serve_search)(house)
    finally:
        house.close()


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _serve_sync(house: House) -> None:
    from app.worker import give_way

    house.index.stats()
    house.embedder.warm_up()
    _say("ready")
    for line in sys.stdin:
        if line.strip() == "give way":
            give_way()
            continue
        started = time.perf_counter()
        summary = house.sync.run(line.strip())
        _say(
            {
                "seconds": time.perf_counter() - started,
                "state": summary.state,
                "documents": summary.counts.upserted,
                "chunks": summary.counts.chunks_embedded,
            }
        )


def _serve_search(house: House) -> None:
    """`begin` starts to search, `end` gives the milliseconds that each search took."""
    questions: list[str] = json.loads(sys.stdin.readline())
    caller = house.caller(None)
    house.embedder.warm_up()
    for question in questions[:10]:
        house.searcher.search(caller, question)
    _say("ready")
    for line in sys.stdin:
        if line.strip() == "begin":
            searching = _Searching(house, caller, questions)
        else:
            _say(searching.end())


class _Searching:
    """Searches one question after another in a thread, a little apart, as some people at once would."""

    def __init__(self, house: House, caller: Caller, questions: list[str]) -> None:
        self._house, self._caller, self._questions = house, caller, questions
        self._stop = threading.Event()
        self._times_ms: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> list[float]:
        self._stop.set()
        self._thread.join()
        return self._times_ms

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(0.05):
            started = time.perf_counter()
            self._house.searcher.search(self._caller, self._questions[number % len(self._questions)])
            self._times_ms.append((time.perf_counter() - started) * 1000)
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
