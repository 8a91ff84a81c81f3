import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.db import Database
from routing.catalogue.figures import FiguresDesk, differences_of, percentile, wilson
from routing.policy.tables import LabelRow
from routing.tables import AttemptRow, ConversationRow, FeedbackRow, QueryRow

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def put(
    database: Database,
    query_id: str,
    *attempts: tuple[str, str, str],
    days_ago: float = 0,
    good: bool | None = None,
    workspace_id: str = "default",
    prompt_id: str | None = None,
    duration_ms: int = 100,
) -> None:
    """A question with its attempts (rung, model, outcome), each of 110 tokens and 5 nano."""
    asked_at = NOW - timedelta(days=days_ago)
    with database.write() as session:
        session.add(
            ConversationRow(
                id=f"c-{query_id}",
                workspace_id=workspace_id,
                user_id="u",
                title="t",
                created_at=asked_at,
                updated_at=asked_at,
            )
        )
        session.flush()
        session.add(
            QueryRow(
                id=query_id,
                workspace_id=workspace_id,
                conversation_id=f"c-{query_id}",
                user_id="u",
                asked_tier="auto",
                question="q",
                state="finished",
                tier=attempts[-1][0],
                prompt_id=prompt_id,
                created_at=asked_at,
            )
        )
        session.flush()
        for ordinal, (tier, model, outcome) in enumerate(attempts):
            session.add(
                AttemptRow(
                    query_id=query_id,
                    ordinal=ordinal,
                    workspace_id=workspace_id,
                    tier=tier,
                    model=model,
                    outcome=outcome,
                    reason="",
                    input_tokens=100,
                    output_tokens=10,
                    cost_nano=5,
                    duration_ms=duration_ms,
                )
            )
        if good is not None:
            session.add(
                FeedbackRow(
                    query_id=query_id, user_id="u", workspace_id=workspace_id, good=good, created_at=asked_at
                )
            )


def label(database: Database, query_id: str, how: str, *, wrong: bool, tier: str = "reader") -> None:
    with database.write() as session:
        session.add(
            LabelRow(
                query_id=query_id,
                how=how,
                workspace_id="default",
                tier=tier,
                kind="reader",
                wrong=wrong,
                judged_by="agreement",
                probability=0.3,
                created_at=NOW,
            )
        )


def test_each_model_is_counted_by_its_attempts(database: Database) -> None:
    put(database, "a", ("reader", "minilm", "escalated"), ("premium", "gpt", "answered"), good=True)
    put(database, "b", ("premium", "gpt", "failed"), ("premium", "gpt", "answered"), days_ago=1, good=False)
    put(database, "c", ("reader", "minilm", "answered"), days_ago=40)
    put(database, "d", ("reader", "minilm", "answered"), workspace_id="elsewhere")
    premium, reader = FiguresDesk(database).models("default", 7, NOW)
    assert (premium.model, premium.calls, premium.failed, premium.answers) == ("gpt", 3, 1, 2)
    assert premium.error_rate == pytest.approx(1 / 3)
    assert (premium.input_tokens, premium.output_tokens, premium.cost_nano) == (300, 30, 15)
    assert premium.quality is not None and (premium.quality.right, premium.quality.judged) == (1, 2)
    assert (reader.calls, reader.quality) == (1, None)  # what climbed is judged by nobody yet
    assert [day.calls for day in premium.days] == [0, 0, 0, 0, 0, 2, 1]
    assert [day.tokens for day in premium.days][-2:] == [220, 110]
    assert premium.days[-1].day == NOW.date() and len(premium.days) == 7
    assert [found.calls for found in FiguresDesk(database).models("default", 60, NOW)] == [3, 2]


def test_labels_count_and_what_the_asker_said_counts_before_a_comparison(sqlite_database: Database) -> None:
    put(sqlite_database, "a", ("reader", "minilm", "answered"))
    put(sqlite_database, "b", ("reader", "minilm", "answered"), good=True)
    put(sqlite_database, "c", ("reader", "minilm", "escalated"), ("premium", "gpt", "answered"))
    label(sqlite_database, "a", "shadow", wrong=False)
    label(sqlite_database, "b", "shadow", wrong=True)
    label(sqlite_database, "c", "escalation", wrong=True)
    found = {figures.tier: figures for figures in FiguresDesk(sqlite_database).models("default", 7, NOW)}
    quality = found["reader"].quality
    assert quality is not None and (quality.right, quality.judged) == (2, 3)
    assert found["premium"].quality is None


def test_prompts_are_compared_on_real_questions(sqlite_database: Database) -> None:
    for n in range(4):
        model = ("premium", "gpt", "answered" if n else "abstained")
        put(sqlite_database, f"a{n}", model, good=bool(n % 2), prompt_id="premium.v1", duration_ms=100 * n)
    put(sqlite_database, "old", ("premium", "gpt", "answered"), prompt_id="premium.v2", days_ago=9)
    put(sqlite_database, "b", ("premium", "gpt", "answered"), prompt_id="premium.v2")
    one, two = FiguresDesk(sqlite_database).prompts("default", "premium", NOW - timedelta(days=5))
    assert (one.prompt_id, one.answers, one.abstained, one.cost_each_nano) == ("premium.v1", 3, 1, 5)
    assert one.quality is not None and (one.quality.right, one.quality.judged) == (2, 3)
    assert (one.p50_ms, one.p95_ms) == (100, 300)
    assert (two.prompt_id, two.answers, two.quality) == ("premium.v2", 1, None)


def test_two_prompts_on_a_share_differ_by_more_than_chance_or_not(sqlite_database: Database) -> None:
    for n in range(30):
        one, two = ("premium", "gpt", "step"), ("premium", "gpt", "answered")
        put(sqlite_database, f"a{n}", one, two, good=n > 1, prompt_id="premium.v1", duration_ms=100 + n)
        put(sqlite_database, f"b{n}", two, good=n > 15, prompt_id="premium.v2", duration_ms=100 + n)
    ours, theirs = FiguresDesk(sqlite_database).prompts("default", "premium", NOW - timedelta(days=5))
    assert (ours.costs.n, ours.costs.mean, theirs.costs.mean) == (30, 10.0, 5.0)
    assert ours.times.mean == pytest.approx(2 * theirs.times.mean)
    found = {difference.what: difference for difference in differences_of(ours, theirs)}
    assert [found[what].finding for what in ("right", "cost", "time")] == ["higher", "higher", "higher"]
    assert found["right"].n == 30 and found["right"].low > 0
    same = {difference.what: difference for difference in differences_of(ours, ours)}
    assert [same[what].finding for what in ("right", "cost", "time")] == ["none_shown"] * 3


def test_nothing_asked_gives_no_figures(sqlite_database: Database) -> None:
    assert FiguresDesk(sqlite_database).models("default", 30, NOW) == ()


def test_wilson_as_published() -> None:
    found = wilson(81, 263)  # Newcombe 1998, table I, method 3: 0.2553 to 0.3662
    assert found is not None
    assert [found.low, found.high] == pytest.approx([0.2553, 0.3662], abs=5e-5)
    assert wilson(0, 0) is None


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(right: int, more: int) -> None:
    found = wilson(right, right + more)
    assert found is not None
    assert 0 <= found.low <= found.share + 1e-12 and found.share <= found.high + 1e-12 <= 1 + 1e-11
    assert math.isfinite(found.low)


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(0, 100))
def test_a_percentile_is_one_of_the_numbers_and_leaves_enough_below(numbers: list[int], percent: int) -> None:
    ordered = sorted(numbers)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(number <= found for number in ordered) * 100 >= percent * len(ordered)
