"""Several deployments of the premium model: fallback, breakers, and what admins are told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from app.core.config import PremiumFallback, Settings
from app.core.errors import ProviderError
from routing.llm.call import ChatCallError, ChatUsage
from routing.llm.deployments import COUNTED_MINUTES, Breaker, HasDeployments
from routing.tier import Tier, TierAnswer, TierAttempt, TierOutput, resting
from routing.tiers import build_ladder
from routing.tiers.premium import PremiumTier
from tests.fakes.openai_server import Failure, OpenAiServer, Reply
from tests.fakes.reader import WordReader
from tests.routing.world import LEAVE, request

ASKED = request("How many days of annual leave?", *LEAVE.passages())
GOOD = Reply("There are 28 days of annual leave a year [1].", input_tokens=1000, output_tokens=10)


@pytest.fixture
def second() -> Iterator[OpenAiServer]:
    with OpenAiServer(default=GOOD) as server:
        yield server


@pytest.fixture
def both(premium_settings: Settings, second: OpenAiServer) -> PremiumTier:
    fallback = PremiumFallback(
        model="openai/fake-other",
        api_key=SecretStr("sk-of-the-second"),
        base_url=second.base_url,
        input_price=Decimal(3),
        output_price=Decimal(20),
    )
    settings = premium_settings.model_copy(update={"premium_fallbacks": (fallback,)})
    tier = build_ladder(settings, WordReader(), "EUR").get("premium")
    assert isinstance(tier, PremiumTier) and isinstance(tier, HasDeployments)
    return tier


def run(tier: Tier) -> tuple[list[TierOutput], ProviderError | None]:
    outputs: list[TierOutput] = []
    iterator = tier.answer(ASKED)
    while True:
        try:
            outputs.append(next(iterator))
        except StopIteration:
            return outputs, None
        except ProviderError as error:
            return outputs, error


@pytest.mark.parametrize(
    "failure",
    [Failure(429, retry_after_seconds=60), Failure(500), Failure(503), Failure(504), Reply("x", cut_after=0)],
)
def test_another_deployment_answers_where_the_first_is_busy_broken_or_silent(
    both: PremiumTier, provider: OpenAiServer, second: OpenAiServer, failure: Failure | Reply
) -> None:
    provider.script(failure)
    outputs, error = run(both)
    assert error is None and (len(provider.requests), len(second.requests)) == (1, 1)
    failed, found = outputs[0], outputs[-1]
    assert isinstance(failed, TierAttempt) and isinstance(found, TierAnswer)
    assert (failed.work.model, failed.work.outcome) == ("openai/fake-large", "failed")
    assert (found.work.model, found.work.cost_nano) == ("openai/fake-other", 1000 * 3_000 + 10 * 20_000)
    assert second.requests[0].authorization == "Bearer sk-of-the-second"
    assert any("fake-other" in note for note in found.notes)


def test_an_address_that_takes_no_connection_costs_nothing(
    premium_settings: Settings, both: PremiumTier, provider: OpenAiServer, second: OpenAiServer
) -> None:
    provider.stop()
    outputs, error = run(both)
    assert error is None and len(second.requests) == 1
    assert isinstance(outputs[0], TierAttempt) and outputs[0].work.cost_nano == 0
    assert (both.deployments()[0].last_error or "").startswith("provider_unreachable")
    provider.start = lambda: provider  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "provider_refused"), (401, "provider_auth"), (403, "provider_auth"), (404, "provider_refused")],
)
def test_a_refusal_is_never_answered_elsewhere_and_admins_see_what_it_was(
    both: PremiumTier, provider: OpenAiServer, second: OpenAiServer, status: int, code: str
) -> None:
    provider.default = Failure(
        status, "Incorrect API key provided: sk-of-the-tests. Or sk-ab****************wxyz."
    )
    _, error = run(both)
    assert error is not None and error.code == code and second.requests == []
    assert "API key provided" not in error.message and "sk-" not in error.message
    state = both.deployments()[0]
    assert state.state == "closed" and (state.calls, state.failures) == (1, 1)
    said = state.last_error or ""
    assert said.startswith(f"{code}: {status}: ") and "Incorrect API key provided: [key]" in said
    assert "sk-of-the-tests" not in said and "wxyz" not in said


def test_once_words_were_shown_nobody_else_is_asked(
    both: PremiumTier, provider: OpenAiServer, second: OpenAiServer
) -> None:
    provider.script(Reply("There are 28 days of leave", cut_after=4))
    _, error = run(both)
    assert error is not None and error.code == "cut_connection" and second.requests == []


def test_the_hold_covers_the_dearest_deployment(both: PremiumTier) -> None:
    assert both.at_most().cost_nano == 24_000 * 3_000 + 6_000 * 20_000


def test_a_deployment_that_keeps_failing_is_left_out_and_with_the_last_one_the_rung_rests(
    both: PremiumTier, provider: OpenAiServer, second: OpenAiServer
) -> None:
    provider.default = second.default = Failure(500)
    for _ in range(3):
        run(both)
    assert [state.state for state in both.deployments()] == ["open", "open"]
    assert resting(both) is not None
    asked = len(provider.requests) + len(second.requests)
    outputs, error = run(both)
    assert error is not None and error.code == "provider_resting" and outputs == []
    assert len(provider.requests) + len(second.requests) == asked


class Hand:
    """A clock and a timer that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timer(self) -> float:
        return self.seconds

    def clock(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


def broken(*, elsewhere: bool = True, retry_after_seconds: float | None = None) -> ChatCallError:
    return ChatCallError(
        "It failed.",
        code="provider_error",
        retryable=elsewhere,
        usage=ChatUsage(),
        retry_after_seconds=retry_after_seconds,
        detail="503: busy",
        elsewhere=elsewhere,
    )


def breaker(hand: Hand) -> Breaker:
    return Breaker("m", clock=hand.clock, timer=hand.timer, failures_to_open=2, open_seconds=10)


def test_a_breaker_opens_lets_one_try_and_closes() -> None:
    hand = Hand()
    one = breaker(hand)
    one.failed(broken())
    assert one.admits() and one.state().state == "closed"
    one.failed(broken())
    assert not one.admits() and one.state().state == "open" and one.state().since == hand.clock()
    hand.seconds = 10
    assert one.state().state == "half-open"
    assert one.admits() and not one.admits(), "half-open lets one call through at a time"
    one.went_well()
    assert one.admits() and one.state().state == "closed" and one.state().since == hand.clock()


def test_a_trial_that_fails_opens_for_longer_and_one_given_up_lets_the_next_try() -> None:
    hand = Hand()
    one = breaker(hand)
    for _ in range(2):
        one.failed(broken())
    hand.seconds = 10
    assert one.admits()
    one.failed(broken())
    hand.seconds = 29.9
    assert not one.admits()
    hand.seconds = 30
    assert one.admits()
    one.let_go()
    assert one.admits()


def test_a_refusal_opens_nothing_and_a_named_pause_is_kept() -> None:
    hand = Hand()
    one = breaker(hand)
    for _ in range(5):
        one.failed(broken(elsewhere=False))
    assert one.admits()
    for _ in range(2):
        one.failed(broken(retry_after_seconds=60))
    hand.seconds = 59
    assert not one.admits()


def test_counts_are_of_the_last_minutes() -> None:
    hand = Hand()
    one = breaker(hand)
    one.failed(broken())
    one.went_well()
    assert (one.state().calls, one.state().failures) == (2, 1)
    hand.seconds = COUNTED_MINUTES * 60 + 1
    assert (one.state().calls, one.state().failures) == (0, 0)
    assert one.state().last_error == "provider_error: 503: busy"


def test_fallbacks_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "RUNG_PREMIUM_FALLBACKS",
        '[{"model": "azure/x", "api_key": "k", "base_url": "https://a.example",'
        ' "input_price": "1.5", "output_price": "6"}]',
    )
    (found,) = Settings(_env_file=None).premium_fallbacks
    assert (found.model, found.input_price) == ("azure/x", Decimal("1.5"))
    assert repr(found.api_key) == "SecretStr('**********')"
