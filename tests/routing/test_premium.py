"""The premium rung through the real LiteLLM, against a real server on loopback."""

from dataclasses import replace

import pytest

from app.core.config import Settings
from app.core.errors import ProviderError
from routing.llm.chat import _litellm
from routing.tier import Tier, TierAnswer, TierAttempt, TierDelta, TierLimits, TierOutput
from routing.tiers import build_ladder
from routing.tiers.chat import UNSUPPORTED
from routing.tiers.reader import NOTHING_FOUND
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.fakes.reader import WordReader
from tests.routing.world import LEAVE, TRAVEL, request

PASSAGES = (*LEAVE.passages(), *TRAVEL.passages())
ASKED = request("How much leave is there, and what is the hotel limit?", *PASSAGES)


@pytest.fixture
def premium(premium_settings: Settings) -> Tier:
    return build_ladder(premium_settings, WordReader(), "EUR").get("premium")


def collect(tier: Tier) -> tuple[list[TierOutput], ProviderError | None]:
    """What the rung yields, and how it failed."""
    outputs: list[TierOutput] = []
    iterator = tier.answer(ASKED)
    while True:
        try:
            outputs.append(next(iterator))
        except StopIteration:
            return outputs, None
        except ProviderError as error:
            return outputs, error


def attempts(outputs: list[TierOutput]) -> list[TierAttempt]:
    return [o for o in outputs if isinstance(o, TierAttempt)]


def answer(outputs: list[TierOutput]) -> TierAnswer:
    found = outputs[-1]
    assert isinstance(found, TierAnswer)
    return found


def test_an_answer_streams_and_its_usage_is_the_providers(premium: Tier, provider: OpenAiServer) -> None:
    text = "There are 28 days of annual leave [1]. The hotel limit is 140 euros [4]."
    provider.script(Reply(text, input_tokens=1000, output_tokens=50, cached_tokens=400))
    outputs, error = collect(premium)
    assert error is None
    assert "".join(o.text for o in outputs if isinstance(o, TierDelta)) == text
    found = answer(outputs)
    assert found.text == "There are 28 days of annual leave [1]. The hotel limit is 140 euros [2]."
    assert [c.passage.document_id for c in found.citations] == ["leave", "travel"]
    work = found.work
    assert (work.input_tokens, work.output_tokens, work.estimated) == (1000, 50, False)
    assert work.cost_nano == 1000 * 2_000 + 50 * 10_000
    assert (work.outcome, work.model, work.provider_request_id) == (
        "answered",
        "openai/fake-large",
        "chatcmpl-fake-1",
    )
    assert found.prompt_id == "premium.v2"


def test_a_model_whose_name_has_a_tokenizer_elsewhere_fetches_nothing(
    premium_settings: Settings, provider: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []
    _litellm()  # loaded our way first, before the next line names it
    monkeypatch.setattr(
        "litellm.utils.tokenizer_dispatch.from_pretrained", lambda *args, **_: tried.append(args)
    )
    llama = premium_settings.model_copy(update={"premium_model": "openai/meta-llama/Llama-3.1-8B"})
    premium = build_ladder(llama, WordReader(), "EUR").get("premium")
    assert answer(collect(premium)[0]).work.outcome == "answered"
    assert provider.requests[0].body["model"] == "meta-llama/Llama-3.1-8B"
    assert tried == []


def test_the_request_asks_for_usage_and_carries_the_key_and_the_limit(
    premium: Tier, provider: OpenAiServer
) -> None:
    list(premium.answer(replace(ASKED, limits=TierLimits(output_tokens=77))))
    (sent,) = provider.requests
    assert sent.path == "/v1/chat/completions"
    assert sent.authorization == "Bearer sk-of-the-tests"
    assert sent.body["stream_options"] == {"include_usage": True}
    assert sent.body["model"] == "fake-large"
    assert sent.body["max_tokens"] == 77
    assert "28 days" in sent.prompt


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_once_more_and_both_attempts_are_told(
    premium: Tier, provider: OpenAiServer, status: int
) -> None:
    provider.script(Failure(status, retry_after_seconds=1 if status == 429 else None))
    outputs, error = collect(premium)
    assert error is None and len(provider.requests) == 2
    (failed,) = attempts(outputs)
    assert (failed.work.outcome, failed.work.cost_nano, failed.work.input_tokens) == ("failed", 0, 0)
    assert failed.reason
    assert answer(outputs).work.outcome == "answered"


@pytest.mark.parametrize(
    ("failure", "code", "requests", "retryable"),
    [
        (Failure(429), "rate_limited", 2, True),
        (Failure(429, retry_after_seconds=60), "rate_limited", 1, True),
        (Failure(500), "provider_error", 2, True),
        (Failure(400), "provider_refused", 1, False),
        (Failure(404), "provider_refused", 1, False),
        (Failure(401), "provider_auth", 1, False),
        (Failure(403), "provider_auth", 1, False),
    ],
)
def test_a_lasting_failure_has_a_stable_code(
    premium: Tier, provider: OpenAiServer, failure: Failure, code: str, requests: int, retryable: bool
) -> None:
    provider.default = failure
    outputs, error = collect(premium)
    assert error is not None
    assert (error.code, error.retryable) == (code, retryable)
    assert len(attempts(outputs)) == len(provider.requests) == requests
    assert sum(a.work.cost_nano for a in attempts(outputs)) == 0
    assert "sk-of-the-tests" not in error.message


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_cut_in_the_middle_is_not_tried_again_and_costs_what_was_used(
    premium: Tier, provider: OpenAiServer, cleanly: bool
) -> None:
    provider.script(Reply("There are 28 days of annual leave", cut_after=3, cut_cleanly=cleanly))
    outputs, error = collect(premium)
    assert error is not None and error.code == "cut_connection"
    assert len(provider.requests) == 1
    (failed,) = attempts(outputs)
    assert failed.work.estimated and failed.work.cost_nano > 0
    assert failed.work.output_tokens == 3  # "There are 28" has twelve bytes


def test_a_cut_before_any_text_is_tried_again(premium: Tier, provider: OpenAiServer) -> None:
    provider.script(Reply("There are 28 days of leave [1].", cut_after=0))
    outputs, error = collect(premium)
    assert error is None and len(provider.requests) == 2
    assert attempts(outputs)[0].work.input_tokens > 0


def test_a_stall_times_out(premium: Tier, provider: OpenAiServer) -> None:
    provider.script(Reply("There are 28 days", stall_after=2))
    _, error = collect(premium)
    assert error is not None and (error.code, error.retryable) == ("provider_timeout", True)


def test_without_reported_usage_tokens_are_counted_and_marked(premium: Tier, provider: OpenAiServer) -> None:
    text = "There are 28 days of annual leave [1]."
    provider.script(Reply(text, usage=False))
    found = answer(collect(premium)[0])
    assert found.work.estimated
    assert found.work.output_tokens == -(-len(text) // 4)
    assert found.work.input_tokens == -(-len(provider.requests[0].prompt.encode()) // 4)
    assert any("estimate" in note for note in found.notes)


def test_an_empty_answer_is_a_failure_with_its_true_cost(premium: Tier, provider: OpenAiServer) -> None:
    provider.script(Reply("", input_tokens=100))
    outputs, error = collect(premium)
    assert error is not None and error.code == "provider_empty_answer"
    assert attempts(outputs)[0].work.cost_nano == 200_000


@pytest.mark.parametrize(
    "text", ["NOT FOUND", "NOT FOUND.", " not found\n", "NOT FOUND. The passages are about leave."]
)
def test_not_found_abstains_and_is_never_shown(premium: Tier, provider: OpenAiServer, text: str) -> None:
    provider.script(Reply(text))
    outputs, _ = collect(premium)
    assert [o for o in outputs if isinstance(o, TierDelta)] == []
    found = answer(outputs)
    assert (found.abstained, found.text, found.citations) == (True, NOTHING_FOUND, ())
    assert found.work.outcome == "abstained" and found.work.cost_nano > 0


def test_a_text_that_only_begins_like_not_found_is_shown_whole(premium: Tier, provider: OpenAiServer) -> None:
    text = "Not foundering, leave is 28 days [1]."
    provider.script(Reply(text))
    outputs, _ = collect(premium)
    assert "".join(o.text for o in outputs if isinstance(o, TierDelta)) == text


def test_citations_that_do_not_exist_are_dropped(premium: Tier, provider: OpenAiServer) -> None:
    provider.script(Reply("There are 28 days of leave [1][42]. Penguins swim [2]."))
    found = answer(collect(premium)[0])
    assert found.text == "There are 28 days of leave [1]. Penguins swim."
    assert any("dropped" in note for note in found.notes)


@pytest.mark.parametrize("text", ["Leave is 99 days.", "Penguins swim [1]."])
def test_an_answer_that_no_passage_supports_is_not_shown(
    premium: Tier, provider: OpenAiServer, text: str
) -> None:
    provider.script(Reply(text))
    found = answer(collect(premium)[0])
    assert (found.abstained, found.text, found.citations) == (True, UNSUPPORTED, ())


def test_an_answer_cut_at_the_limit_says_so(premium: Tier, provider: OpenAiServer) -> None:
    provider.script(Reply("There are 28 days of leave [1] and", finish_reason="length"))
    assert any("length limit" in note for note in answer(collect(premium)[0]).notes)


def test_the_reservation_covers_the_expected_work(premium: Tier) -> None:
    most, expected = premium.at_most(), premium.expected(ASKED)
    # Four calls of at most 1,500 tokens each are written, and 30,000 tokens used in all.
    assert (most.input_tokens, most.output_tokens) == (24_000, 6_000)
    assert most.cost_nano == 24_000 * 2_000 + 6_000 * 10_000
    assert 0 < expected.cost_nano < most.cost_nano
    assert premium.baseline_note is None
