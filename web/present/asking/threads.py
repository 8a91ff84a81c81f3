"""Past and running questions as the thread, the list of threads and the trail show them."""

from collections.abc import Sequence
from datetime import datetime

from app.core.identity import Caller
from app.core.usage import Receipt
from billing.money import format_money
from billing.rating import full_price_of
from retrieval.passage import Passage
from routing.history import AskedQuestion, ConversationSummary, Feedback, Trail
from routing.tier import TierRequest
from routing.updates import Attempt
from web.deps import Services
from web.present.asking.answers import (
    adapter_of,
    answer_view,
    authors_of,
    crumbs,
    document_href,
    is_sentence,
    outcome_words,
    receipt_view,
    results_of,
    route_view,
    tier_label,
)
from web.present.asking.filters import filter_words
from web.present.asking.live import Rungs
from web.present.asking.problems import problem_view
from web.present.asking.steps import step_views
from web.present.record_views import ReceiptRowView
from web.present.views import (
    FEEDBACK_REASONS,
    BetterView,
    ConversationView,
    FeedbackView,
    PassageView,
    RouteView,
    StageView,
    TurnState,
    TurnView,
    When,
    when,
)

_STATES: dict[str, TurnState] = {"running": "running", "failed": "failed"}


class LadderOf:
    """The ladder of an installation, as pages need it."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services = services
        self._caller = caller

    @property
    def currency(self) -> str:
        return self._services.usage.plan.currency

    @property
    def routine_notes(self) -> frozenset[str]:
        """What stands on every receipt while the top rung is not set up."""
        note = self._services.asks.answerer.ladder.top.baseline_note
        return frozenset((note,)) if note else frozenset()

    def better(self, tier_name: str, question: str, passages: tuple[Passage, ...]) -> BetterView | None:
        """The rung above, with its price for this question; nothing where it cannot be asked."""
        tier = self._services.asks.answerer.better_tier(tier_name)
        if tier is None or tier.unavailable is not None:
            return None
        plan = self._services.usage.plan
        at_most = full_price_of(plan, tier.at_most())
        expected = full_price_of(
            plan, tier.expected(TierRequest(question, question, passages, caller=self._caller))
        )
        return BetterView(
            tier=tier.label,
            expected=format_money(min(expected, at_most), plan.currency),
            at_most=format_money(at_most, plan.currency),
        )


def conversation_view(found: ConversationSummary, now: datetime) -> ConversationView:
    return ConversationView(found.title, f"/threads/{found.id}", found.questions, when(found.updated_at, now))


def turn_view(trail: Trail, rungs: Rungs, now: datetime, *, asker: str) -> TurnView:
    """A stored question with its answer, its results and its receipt."""
    without = rungs.routine_notes
    asked = trail.asked
    if asked.state == "running":
        asked_at = when(asked.created_at, now)
        return running_turn(
            asked.query_id, asked.conversation_id, asked.question, asked_at, filter_words(asked.filters)
        )
    answer = asked.answer
    citations = answer.citations if answer else ()
    return TurnView(
        query_id=asked.query_id,
        question=asked.question,
        state=_STATES.get(asked.state, "done"),
        conversation_id=asked.conversation_id,
        asked=when(asked.created_at, now),
        answer=answer_view(
            asked.query_id, answer.text, citations, answer.abstained, authors_of(trail.passages, asker=asker)
        )
        if answer
        else None,
        withheld=answer.text if answer and asked.withheld else None,
        route=_final_route(trail),
        receipt=receipt_view(asked.receipt, without) if asked.receipt else None,
        better=rungs.better(asked.receipt.tier, trail.search_text, trail.passages) if asked.receipt else None,
        results=results_of(trail.passages, asked.question, now, query_id=asked.query_id, citations=citations),
        took_ms=round(trail.timings_ms["search"]) if "search" in trail.timings_ms else None,
        problem=problem_view(asked.problem.code, asked.problem.message, asked.query_id)
        if asked.problem
        else None,
        feedback=feedback_view(asked.feedback) if asked.feedback else None,
        filters=filter_words(asked.filters),
        steps=step_views(asked.steps, rungs.currency),
    )


def feedback_view(given: Feedback) -> FeedbackView:
    """What was said of an answer; what was wrong stands within a sentence."""
    label = dict(FEEDBACK_REASONS)[given.code] if given.code else ""
    return FeedbackView(given.good, f"{label[:1].lower()}{label[1:]}", given.words)


def running_turn(
    query_id: str, conversation_id: str, question: str, asked: When | None, filters: tuple[str, ...] = ()
) -> TurnView:
    return TurnView(
        query_id=query_id,
        question=question,
        state="running",
        conversation_id=conversation_id,
        asked=asked,
        filters=filters,
    )


def _final_route(trail: Trail) -> RouteView | None:
    """The rung that answered in the end, and why that one."""
    asked = trail.asked
    if asked.route is None or asked.answer is None:
        return None
    reasons, difficulty = asked.route.reasons, asked.route.difficulty
    if asked.answer.tier != asked.route.tier and trail.escalation_reason:
        reasons = (trail.escalation_reason,)
        if trail.stage3 is not None and not is_sentence(trail.escalation_reason):
            difficulty = trail.stage3
    return route_view(asked.answer.tier, difficulty, reasons)


def stages_of(trail: Trail) -> tuple[StageView, ...]:
    """The three difficulty scores; one that was not needed has no number."""
    reasons = trail.asked.route.reasons if trail.asked.route else ()
    judged = trail.escalation_reason
    # A rung that failed is told with the rungs that were tried: it says nothing of the difficulty.
    after_answer = (judged,) if judged and not is_sentence(judged) else ()
    return (
        StageView("From the question alone", _percent(trail.stage1), ()),
        StageView("After the search", _percent(trail.stage2), tuple(reasons)),
        StageView("After the first answer", _percent(trail.stage3), after_answer),
    )


def attempt_rows(asked: AskedQuestion, currency: str) -> tuple[ReceiptRowView, ...]:
    """One row an attempt. The price stands with the one that answered, since only that one has a price."""
    return tuple(_attempt_row(attempt, asked.receipt, currency) for attempt in asked.attempts)


def _attempt_row(attempt: Attempt, receipt: Receipt | None, currency: str) -> ReceiptRowView:
    """A question that failed has no receipt: its asker pays nothing; what it cost us still stands there."""
    currency = receipt.currency if receipt else currency
    price_nano = receipt.price_nano if receipt and attempt.outcome == "answered" else 0
    has_tokens = bool(attempt.input_tokens or attempt.output_tokens)
    words, tone = outcome_words(attempt.outcome)
    return ReceiptRowView(
        label="" if attempt.model == "none" else attempt.model,
        href=None,
        when=None,
        tier=tier_label(attempt.tier),
        outcome=words,
        tone=tone,
        tokens=f"{attempt.input_tokens}, {attempt.output_tokens}" if has_tokens else "none",
        duration=duration_text(attempt.duration_ms),
        price=format_money(price_nano, currency),
        cost=format_money(attempt.cost_nano, currency),
        reason=attempt.reason,
    )


def notes_of(trail: Trail) -> tuple[str, ...]:
    """What else there is to know of an answer, the adapter aside, each note once."""
    receipt = trail.asked.receipt
    notes = (*(receipt.notes if receipt else ()), *trail.notes)
    return tuple(note for note in dict.fromkeys(notes) if adapter_of((note,)) is None)


def passage_rows(trail: Trail) -> tuple[PassageView, ...]:
    citations = trail.asked.answer.citations if trail.asked.answer else ()
    return tuple(
        PassageView(
            number=number,
            title=passage.title or "Untitled",
            href=document_href(passage.document_id, passage.start, passage.end, trail.asked.query_id),
            crumbs=crumbs(passage),
            cited=tuple(c.n for c in citations if c.chunk_id == passage.chunk_id),
            score="" if passage.dense_score is None else f"nearness {passage.dense_score:.2f}",
        )
        for number, passage in enumerate(trail.passages, start=1)
    )


def timing_rows(timings_ms: dict[str, float]) -> tuple[tuple[str, str], ...]:
    names = {"search": "Search", "embed": "of it, understanding the question", "route": "Choosing the rung"}
    ordered: Sequence[str] = [name for name in ("search", "embed", "route") if name in timings_ms]
    rungs = [name for name in timings_ms if name not in (*names, "total")]
    rows = [
        (names.get(name, tier_label(name)), duration_text(timings_ms[name])) for name in (*ordered, *rungs)
    ]
    if "total" in timings_ms:
        rows.append(("In all", duration_text(timings_ms["total"])))
    return tuple(rows)


def duration_text(duration_ms: float) -> str:
    if duration_ms < 10:
        return f"{duration_ms:.1f} ms"
    return f"{duration_ms:.0f} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.1f} s"


def _percent(probability: float | None) -> int | None:
    return None if probability is None else round(probability * 100)
