"""What every rung of the shipped ladder promises, whatever its kind. A new rung is picked up by itself."""

from collections.abc import Iterator

import pytest

from app.core.config import Settings
from routing.tier import Ladder, Tier, TierAnswer, TierAttempt, TierDelta, TierOutput, load_specs
from routing.tiers import build_ladder
from tests.fakes.openai_server import OpenAiServer, Reply
from tests.fakes.reader import WordReader
from tests.routing.world import LEAVE, TRAVEL, request, with_local, with_premium

NAMES = [spec.name for spec in load_specs()]
PASSAGES = (*LEAVE.passages(), *TRAVEL.passages())
ASKED = request("How many days of annual leave does everyone have a year?", *PASSAGES)


@pytest.fixture
def provider() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=Reply("Everyone has 28 days of annual leave a year [1].")) as server:
        yield server


@pytest.fixture
def ladder(settings: Settings, provider: OpenAiServer) -> Ladder:
    both = with_local(with_premium(settings, provider.base_url), provider.base_url)
    return build_ladder(both, WordReader(), "EUR")


@pytest.fixture(params=NAMES)
def tier(request: pytest.FixtureRequest, ladder: Ladder) -> Tier:
    return ladder.get(request.param)


def outputs_of(tier: Tier, passages: tuple[object, ...] = PASSAGES) -> list[TierOutput]:
    return list(tier.answer(request(ASKED.question, *passages)))  # type: ignore[arg-type]


def test_it_can_be_used_when_it_is_set_up(tier: Tier) -> None:
    assert tier.unavailable is None and tier.baseline_note is None
    assert tier.name and tier.label


def test_it_ends_with_exactly_one_answer(tier: Tier) -> None:
    *before, last = outputs_of(tier)
    assert isinstance(last, TierAnswer)
    assert before and all(isinstance(o, TierDelta | TierAttempt) for o in before)


def test_what_it_streams_is_what_it_answers(tier: Tier) -> None:
    *deltas, answer = outputs_of(tier)
    assert isinstance(answer, TierAnswer)
    assert "".join(d.text for d in deltas if isinstance(d, TierDelta)).strip() == answer.text


def test_each_citation_is_marked_in_the_text_and_quotes_a_passage_it_was_given(tier: Tier) -> None:
    answer = outputs_of(tier)[-1]
    assert isinstance(answer, TierAnswer) and answer.citations
    assert [c.n for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    for citation in answer.citations:
        assert f"[{citation.n}]" in answer.text
        assert citation.passage in PASSAGES
        document = LEAVE if citation.passage.document_id == LEAVE.id else TRAVEL
        assert document.text[citation.start : citation.end] == citation.quote != ""


def test_its_work_names_it_and_fits_what_was_reserved(tier: Tier) -> None:
    answer = outputs_of(tier)[-1]
    assert isinstance(answer, TierAnswer)
    work, most, expected = answer.work, tier.at_most(), tier.expected(ASKED)
    assert work.tier == most.tier == expected.tier == tier.name
    assert (work.outcome, most.outcome, expected.outcome) == ("answered", "answered", "answered")
    assert 0 <= work.cost_nano <= most.cost_nano
    assert 0 <= expected.cost_nano <= most.cost_nano


def test_an_abstention_says_so_in_its_work(tier: Tier, provider: OpenAiServer) -> None:
    provider.default = Reply("NOT FOUND")
    answer = list(tier.answer(request("Zebra quagga?", *PASSAGES)))[-1]
    assert isinstance(answer, TierAnswer)
    assert answer.abstained and answer.text and answer.citations == ()
    assert answer.work.outcome == "abstained"
