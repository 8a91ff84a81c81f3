"""The local rung: the same requests straight to vLLM over HTTP, and through the whole way of a question.

The whole way is everything but retrieval: the question written down, money held, difficulty, prompt, the
streamed call, citations, judgement, answer and usage in one transaction, receipt. Both send the same body and
get as many tokens. The two are interleaved in one run on one machine, so that noise falls on both.

Without RUNG_LOCAL_URL, a vLLM with a tiny random model is started on this machine's processor (`make vllm`).
It answers nonsense, which no passage supports, so its answers end as "not found", at the same work.
"""

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from app.core.config import Settings, get_settings
from app.core.db import Database
from app.core.identity import EVERYONE, PUBLIC, Caller, Principal
from app.migrations.tables import metadata
from billing.ledger import Ledger
from billing.price_book import PriceBook
from retrieval.passage import Passage, SearchFilters
from retrieval.search import SearchResult
from routing.answer import Answerer
from routing.history import History
from routing.llm.prompt import answer_pattern, build_prompt
from routing.llm.vllm import VllmModel
from routing.question import AskRequest
from routing.runner import AskRunner
from routing.tier import TierRequest, TierSpec, load_specs
from routing.tiers import build_ladder
from routing.updates import ReceiptUpdate

TARGET_MS = 15.0
_TOKENS = 50
_ROUNDS = 6
_AT_ONCE = (1, 16)
_EACH = {1: 5, 16: 2}
"""Requests a client sends in a round."""

_CALLER = Caller(
    "default", "bench", "bench@example.com", "Bench", "company",
    frozenset({Principal.user("bench@example.com"), EVERYONE, PUBLIC}),
)  # fmt: skip
_NO_FILTERS = SearchFilters()


@dataclass(frozen=True, slots=True)
class Figures:
    """One way at one load. `cpu_ms` is our own processor time a request: noise moves it least."""

    requests_per_second: float
    p50_ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both ways at one load."""

    at_once: int
    direct: Figures
    whole: Figures

    @property
    def overhead_ms(self) -> float:
        return round(self.whole.p50_ms - self.direct.p50_ms, 1)

    @property
    def ratio(self) -> float:
        return round(self.whole.p50_ms / self.direct.p50_ms, 3)


class FixedFinder:
    """The same passages for every question: retrieval is not measured here."""

    def __init__(self, passages: tuple[Passage, ...]) -> None:
        self._passages = passages

    def search(
        self,
        caller: Caller,  # noqa: ARG002
        query: str,
        *,
        filters: SearchFilters = _NO_FILTERS,  # noqa: ARG002
        limit: int = 20,  # noqa: ARG002
    ) -> SearchResult:
        return SearchResult(query, self._passages, (), 0.0, 0.0)


def run(data: Path | None, as_json: bool) -> None:  # noqa: ARG001 - the model's texts do not matter here
    """Prints requests/s and p50 of both ways at 1 and at 16 at once."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with tempfile.TemporaryDirectory(prefix="rung-bench-") as folder, _settings(Path(folder)) as settings:
        served = VllmModel(settings).served()
        print(f"{served.name} at {settings.local_url}, {_TOKENS} tokens an answer, SQLite, the real ledger")
        with _whole_way(settings, Path(folder)) as whole:
            direct = _direct(settings)
            results = [_compare(at_once, direct, whole) for at_once in _AT_ONCE]
    for result in results:
        _print(result)
    if as_json:
        print(json.dumps(_summary(served.name, results)))


@contextmanager
def _settings(folder: Path) -> Iterator[Settings]:
    configured = get_settings()
    if configured.local_url is not None:
        yield configured
        return
    from tests.servers.vllm import missing, running_vllm

    if (why := missing()) is not None:
        raise SystemExit(why)
    with running_vllm(folder / "vllm") as server:
        yield Settings(_env_file=None, data_dir=folder, local_url=server.url)


def _passages() -> tuple[Passage, ...]:
    text = (
        "Flights are booked through the travel desk. Economy class is the rule. The hotel limit is 140 euros "
        "a night. Receipts are handed in within thirty days of the journey's end."
    )
    return tuple(
        Passage(
            chunk_id=f"d{n}:0", document_id=f"d{n}", title=f"Travel policy {n}", heading_path=("Rules",),
            text=text, start=0, end=len(text), source="handbook", url=None, author=None, updated_at=None,
            score=1.0, dense_score=0.6, sparse_score=1.0,
        )
        for n in range(3)
    )  # fmt: skip


def _spec() -> TierSpec:
    """The shipped local rung, with short answers and without the second call that asks without passages: both
    ways then make the same calls."""
    spec = next(spec for spec in load_specs() if spec.chat is not None and spec.chat.deployment == "local")
    if spec.chat is None:
        raise SystemExit("tiers.toml has no local rung")
    chat = spec.chat.model_copy(update={"max_output_tokens": _TOKENS, "closed_book_tokens": 0})
    return spec.model_copy(update={"chat": chat})


def _question(number: int) -> str:
    return f"What is the hotel limit on journey number {number:05}?"


def _direct(settings: Settings) -> Callable[[int], None]:
    """Sends what the rung would send, with nothing around it, and reads the answer to its end."""
    address = urlsplit(settings.local_url or "")
    served, chat = VllmModel(settings).served(), _spec().chat
    if chat is None:
        raise SystemExit("tiers.toml has no local rung")
    key = settings.local_api_key
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"

    def ask(number: int) -> None:
        request = TierRequest(_question(number), _question(number), _passages(), _CALLER)
        prompt = build_prompt(chat.prompt, request, chat.passages, chat.max_input_tokens)
        body = {
            "model": served.name,
            "messages": [{"role": m.role, "content": m.content} for m in prompt.messages],
            "max_tokens": _TOKENS,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
            "chat_template_kwargs": {"enable_thinking": False},
            "structured_outputs": {"regex": answer_pattern(len(prompt.passages))},
        }
        connection = http.client.HTTPConnection(address.netloc, timeout=120)
        connection.request("POST", f"{address.path}/chat/completions", json.dumps(body), headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise SystemExit(f"vLLM answered {response.status}: {response.read(2000)!r}")
        while response.readline():
            pass
        connection.close()

    return ask


@contextmanager
def _whole_way(settings: Settings, folder: Path) -> Iterator[Callable[[int], None]]:
    from tests.fakes.reader import WordReader

    database = Database(f"sqlite:///{folder / 'rung.db'}")
    metadata().create_all(database.engine)
    ledger = Ledger(database, PriceBook.load(), settings.price_plan)
    answerer = Answerer(
        database=database,
        searcher=FixedFinder(_passages()),
        ladder=build_ladder(settings, WordReader(), ledger.plan.currency, specs=[_spec()]),
        meter=ledger,
        may_read_document=lambda _caller, _document: True,
    )
    history = History(database, may_read_document=lambda *_: True, receipt_of=ledger.receipt)
    runner = AskRunner(answerer, history)

    def ask(number: int) -> None:
        started = runner.start(_CALLER, AskRequest(_question(number), tier="local"))
        *_, last = (update for _, update in runner.follow(started.query_id, _CALLER))
        if not isinstance(last, ReceiptUpdate):
            raise SystemExit(f"a question failed: {last}")

    try:
        yield ask
    finally:
        runner.close()
        database.close()


def _compare(at_once: int, direct: Callable[[int], None], whole: Callable[[int], None]) -> Comparison:
    ways = (direct, whole)
    times: dict[Callable[[int], None], list[float]] = {way: [] for way in ways}
    spent, worked = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    with ThreadPoolExecutor(at_once) as clients:
        for way in ways:
            list(clients.map(way, range(at_once)))
        for number in range(_ROUNDS):
            for way in ways if number % 2 else reversed(ways):
                started, before = time.perf_counter(), time.process_time()
                first = 100 * (number + 1)
                times[way] += clients.map(
                    lambda n, way=way: _timed(way, n), range(first, first + at_once * _EACH[at_once])
                )
                spent[way] += time.perf_counter() - started
                worked[way] += time.process_time() - before
    return Comparison(at_once, *(_figures(times[way], spent[way], worked[way]) for way in ways))


def _timed(way: Callable[[int], None], number: int) -> float:
    started = time.perf_counter()
    way(number)
    return time.perf_counter() - started


def _figures(seconds: list[float], spent: float, worked: float) -> Figures:
    count = len(seconds)
    p50_ms, cpu_ms = statistics.median(seconds) * 1000, worked / count * 1000
    return Figures(round(count / spent, 1), round(p50_ms, 1), round(cpu_ms, 1))


def _print(result: Comparison) -> None:
    print(
        f"{result.at_once:>2} at once   straight to vLLM {result.direct.requests_per_second:6.1f}/s p50 "
        f"{result.direct.p50_ms:7.1f} ms   whole way {result.whole.requests_per_second:6.1f}/s p50 "
        f"{result.whole.p50_ms:7.1f} ms   overhead {result.overhead_ms:5.1f} ms (x{result.ratio}), "
        f"target {TARGET_MS:.0f}; processor time {result.direct.cpu_ms:.1f} and {result.whole.cpu_ms:.1f} ms"
    )


def _summary(name: str, results: list[Comparison]) -> dict[str, object]:
    return {
        "model": name,
        "tokens": _TOKENS,
        "loads": [
            {**asdict(result), "overhead_ms": result.overhead_ms, "ratio": result.ratio} for result in results
        ],
        "target_overhead_ms": TARGET_MS,
        "met": all(result.overhead_ms <= TARGET_MS for result in results),
    }
