"""The local rung on a real vLLM with a tiny random model: what it says means nothing, how it says it does."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.core.config import Settings
from app.core.db import Database
from app.core.errors import ProviderError
from app.core.identity import Caller
from billing.ledger import Ledger
from billing.price_book import PriceBook
from retrieval.passage import Passage
from routing.adapters.adapter import AdapterChoice
from routing.llm import ChatCall, ChatCallError, ChatDelta, ChatEnd
from routing.llm.prompt import ChatMessage, answer_pattern
from routing.llm.vllm import VllmModel
from routing.question import AskRequest
from routing.runner import AskRunner
from routing.tier import TierAnswer, TierAttempt, TierDelta, TierLimits, TierOutput
from routing.tiers import build_ladder
from tests.fakes.reader import WordReader
from tests.routing.world import (
    ANA,
    LEAVE,
    TRAVEL,
    World,
    passage,
    problem_of,
    receipt_of,
    request,
    with_local,
)
from tests.servers.base import make_adapter
from tests.servers.proxy import Proxy
from tests.servers.vllm import BASE_MODEL, MAX_MODEL_TOKENS, MAX_RANK, VllmServer

PASSAGES = (*LEAVE.passages(), *TRAVEL.passages())
ASKED = replace(request("How much leave is there?", *PASSAGES), limits=TierLimits(output_tokens=24))
MESSAGES = (ChatMessage("user", "How much leave is there, and where is the hotel?"),)

pytestmark = pytest.mark.timeout(300)


@dataclass
class One:
    """The same adapter for everyone; `loads` is where it can be loaded from."""

    name: str
    server: VllmServer
    loads: Path | None = None

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:
        return AdapterChoice(self.name, "a test asks for it")

    def restore(self, served_name: str) -> bool:
        return self.loads is not None and load(self.server, served_name, self.loads)[0] == 200


def post(url: str, body: dict[str, str]) -> tuple[int, str]:
    sent = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(sent, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def load(server: VllmServer, name: str, folder: Path) -> tuple[int, str]:
    return post(f"{server.url}/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})


def unload(server: VllmServer, name: str) -> tuple[int, str]:
    return post(f"{server.url}/unload_lora_adapter", {"lora_name": name})


@contextmanager
def loaded(server: VllmServer, names: Sequence[str], folders: Sequence[Path]) -> Iterator[None]:
    for name, folder in zip(names, folders, strict=True):
        assert load(server, name, folder)[0] == 200
    try:
        yield
    finally:
        for name in names:
            unload(server, name)


@pytest.fixture
def local_settings(settings: Settings, vllm: VllmServer) -> Settings:
    slow = {"local_timeout_seconds": 60.0, "local_api_key": None}
    return with_local(settings, vllm.url).model_copy(update=slow)


@pytest.fixture
def model(local_settings: Settings) -> VllmModel:
    return VllmModel(local_settings)


def outputs_of(settings: Settings, asked: object = ASKED, adapters: One | None = None) -> list[TierOutput]:
    tier = build_ladder(settings, WordReader(), "EUR", adapters=adapters).get("local")
    return list(tier.answer(asked))  # type: ignore[arg-type]


def said(model: VllmModel, name: str, pattern: str | None = None, tokens: int = 16) -> tuple[str, ChatEnd]:
    *deltas, end = model.stream(ChatCall(MESSAGES, tokens, name, pattern))
    assert isinstance(end, ChatEnd)
    return "".join(d.text for d in deltas if isinstance(d, ChatDelta)), end


def test_it_streams_with_usage_and_certainty(local_settings: Settings) -> None:
    *before, found = outputs_of(local_settings)
    assert isinstance(found, TierAnswer) and [o for o in before if isinstance(o, TierAttempt)] == []
    assert len([o for o in before if isinstance(o, TierDelta)]) > 3
    work = found.work
    assert work.model == f"hosted_vllm/{BASE_MODEL}" and not work.estimated
    # The answer, and as many again of what the model says without passages.
    assert work.output_tokens == 24 + 24 and 100 < work.input_tokens < MAX_MODEL_TOKENS
    assert work.cost_nano == work.input_tokens * 1_000 + work.output_tokens * 4_000
    assert found.signals.mean_logprob is not None and found.signals.least_logprob is not None
    assert found.signals.least_logprob <= found.signals.mean_logprob < 0
    # A random model hardly says what a passage supports: then nothing of it is shown.
    assert found.abstained == (found.citations == ())


def test_the_server_tells_its_base_model_and_what_it_takes(model: VllmModel) -> None:
    served = model.served()
    assert (served.name, served.context_tokens) == (BASE_MODEL, MAX_MODEL_TOKENS)


def test_an_answer_is_held_to_its_form(model: VllmModel) -> None:
    text, end = said(model, BASE_MODEL, r"NOT FOUND|[a-z]{3,9} \[(1|2)\]")
    assert re.fullmatch(r"NOT FOUND|[a-z]{3,9} \[(1|2)\]", text) and end.finish_reason == "stop"
    longer, _ = said(model, BASE_MODEL, answer_pattern(3), tokens=120)
    marks = re.findall(r"\[([^\]]*)\]", longer)
    assert set(marks) <= {"1", "2", "3"}
    assert longer.count("[") <= len(marks) + 1


def test_a_form_that_the_server_refuses_is_told_apart(model: VllmModel) -> None:
    with pytest.raises(ChatCallError) as refused:
        said(model, BASE_MODEL, "([")
    assert refused.value.code == "pattern_refused" and refused.value.usage.output_tokens == 0


def test_adapters_are_chosen_by_name(vllm: VllmServer, local_settings: Settings, model: VllmModel) -> None:
    names = ["chosen.v1", "chosen.v2"]
    with loaded(vllm, names, [vllm.adapters_dir / "first", vllm.adapters_dir / "second"]):
        texts = {name: said(model, name)[0] for name in (BASE_MODEL, *names)}
        assert len(set(texts.values())) == 3
        assert {name: said(model, name)[0] for name in texts} == texts
        found = outputs_of(local_settings, adapters=One("chosen.v2", vllm))[-1]
        assert isinstance(found, TierAnswer) and found.work.model == "hosted_vllm/chosen.v2"
        assert model.served().name == BASE_MODEL  # the adapters are listed too, with a parent


def test_six_adapters_share_two_slots(vllm: VllmServer, model: VllmModel, tmp_path: Path) -> None:
    names = [f"six.v{n}" for n in range(6)]
    folders = [make_adapter(tmp_path / name, base=vllm.base_dir, seed=10 + n) for n, name in enumerate(names)]
    with loaded(vllm, names, folders):
        alone = {name: said(model, name)[0] for name in names}
        assert len(set(alone.values())) == 6
        with ThreadPoolExecutor(12) as pool:
            asked = names * 3
            together = list(pool.map(lambda name: said(model, name)[0], asked))
        # In a batch a float may round otherwise, and a near tie of a random model fall to another token.
        same = [text == alone[name] for name, text in zip(asked, together, strict=True)]
        assert sum(same) >= 15


def test_sixteen_questions_at_once_are_each_answered_and_metered_once(
    sqlite_database: Database, local_settings: Settings
) -> None:
    world = World(sqlite_database, local_settings)
    ledger = Ledger(sqlite_database, PriceBook.load(), local_settings.price_plan)
    world.answerer._parts = replace(world.answerer._parts, meter=ledger)
    runner = AskRunner(world.answerer, world.history, threads=16)
    try:
        started = [runner.start(ANA, AskRequest(f"What is the {n}th rule?", tier="local")) for n in range(16)]
        ended = [[u for _, u in runner.follow(one.query_id, ANA)] for one in started]
    finally:
        runner.close()
    for updates in ended:
        receipt = receipt_of(updates).receipt
        kept = ledger.receipt(receipt.query_id)
        assert kept is not None and replace(kept, notes=()) == replace(receipt, notes=())
        assert len(receipt_of(updates).attempts) == 1 and receipt.input_tokens > 0
    assert ledger.open_reservations() == () and ledger.verify().ok


def test_an_adapter_that_the_server_does_not_know_is_loaded_again(
    vllm: VllmServer, local_settings: Settings
) -> None:
    adapters = One("lost.v1", vllm, vllm.adapters_dir / "first")
    try:
        outputs = outputs_of(local_settings, adapters=adapters)
        (lost,) = [o for o in outputs if isinstance(o, TierAttempt)]
        assert "lost.v1" in lost.reason and lost.work.cost_nano == 0
        assert isinstance(outputs[-1], TierAnswer) and outputs[-1].work.model == "hosted_vllm/lost.v1"
    finally:
        unload(vllm, "lost.v1")


def test_an_adapter_that_nobody_can_load_fails_by_name(vllm: VllmServer, local_settings: Settings) -> None:
    with pytest.raises(ProviderError) as failed:
        outputs_of(local_settings, adapters=One("nowhere.v1", vllm))
    assert failed.value.code == "unknown_adapter" and "nowhere.v1" in failed.value.message


def test_a_rank_over_the_servers_is_refused_at_load(vllm: VllmServer, tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "wide", base=vllm.base_dir, rank=2 * MAX_RANK)
    status, words = load(vllm, "wide.v1", folder)
    assert status >= 400 and "rank" in words.lower(), (status, words)


def test_what_is_too_long_is_told_and_a_long_passage_is_cut(
    model: VllmModel, local_settings: Settings
) -> None:
    with pytest.raises(ChatCallError) as refused:
        list(model.stream(ChatCall((ChatMessage("user", "word " * 3_000),), 16, BASE_MODEL)))
    assert refused.value.code == "context_too_long" and refused.value.usage.input_tokens == 0
    long = tuple(passage("The hotel limit is 140 euros. " * 200, document_id=f"d{n}") for n in range(4))
    asked = replace(request("What is the hotel limit?", *long), limits=TierLimits(output_tokens=8))
    assert isinstance(outputs_of(local_settings, asked)[-1], TierAnswer)


@pytest.mark.parametrize(("stalls", "code"), [(False, "cut_connection"), (True, "provider_timeout")])
def test_a_server_that_breaks_off_or_goes_silent_fails_at_its_cost(
    vllm: VllmServer, local_settings: Settings, sqlite_database: Database, stalls: bool, code: str
) -> None:
    with Proxy(vllm.url, passes=3_000, stalls=stalls) as proxy:
        through = local_settings.model_copy(
            update={"local_url": proxy.url, "local_timeout_seconds": 2.0 if stalls else 60.0}
        )
        world = World(sqlite_database, through)
        updates = list(world.answerer.ask(ANA, AskRequest("What is the hotel limit?", tier="local")))
    assert problem_of(updates).code == code
    # Cut before a first word, a call is made once more: each one is a row of its own, at its own cost.
    assert 1 <= len(world.meter.events) <= 2
    for event in world.meter.events:
        assert (event.work.outcome, event.work.estimated, event.price_nano) == ("failed", True, 0)
        assert event.work.output_tokens > 0 and event.work.cost_nano > 0
