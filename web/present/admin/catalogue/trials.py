"""Trials of prompts in words: what one would cost, how far it is, and what it found."""

from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import quote

from billing.money import format_money
from routing.catalogue.trials.desk import TrialPlan
from routing.catalogue.trials.differences import LEAST, Difference, Finding, What
from routing.catalogue.trials.shelf import Side, Trial
from web.present.admin.catalogue.figures import ms_words
from web.present.admin.catalogue.views import DifferenceView, TrialPlanView, TrialView
from web.present.views import Tone, when

_STATES: dict[str, tuple[str, Tone]] = {
    "running": ("running", "warn"),
    "ended": ("ended", "good"),
    "early": ("ended early", "warn"),
    "lost": ("broken off", "bad"),
}

_NAMES: dict[What, str] = {
    "agreement": "Agreement with accepted answers",
    "right": "Share right",
    "cost": "Cost a question",
    "time": "Time a question",
}

_MORE: dict[What, tuple[str, str]] = {
    "agreement": ("better", "worse"),
    "right": ("better", "worse"),
    "cost": ("dearer", "cheaper"),
    "time": ("slower", "faster"),
}
"""What a higher and a lower mean are called."""

_GOOD = frozenset({"better", "cheaper", "faster"})


def trial_view(trial: Trial, currency: str, now: datetime) -> TrialView:
    lines: tuple[tuple[str, Callable[[Side], str]], ...] = (
        ("Test cases kept", lambda side: f"{side.passed} of {side.tests}"),
        ("Past questions", lambda side: str(side.past)),
        ("Agreement with accepted answers", _agreement),
        ("Nothing found", lambda side: str(side.abstained)),
        ("Failed calls", lambda side: str(side.failed)),
        ("Cost a question", lambda side: format_money(side.cost_each_nano, currency)),
        ("Median answer", lambda side: ms_words(side.p50_ms)),
        ("95 of 100 answers within", lambda side: ms_words(side.p95_ms)),
    )
    state, tone = _STATES["early" if trial.state == "ended" and trial.stopped else trial.state]
    return TrialView(
        id=trial.id,
        href=trial_href(trial.prompt_id, trial.id),
        at=when(trial.at, now),
        by=trial.by,
        title=f"{trial.prompt_id} beside {trial.against}{f' on {trial.model}' if trial.model else ''}",
        state=state,
        tone=tone,
        is_running=trial.state == "running",
        is_stopping=trial.state == "running" and bool(trial.stop_by),
        done=trial.done,
        total=trial.total,
        percent=round(100 * trial.done / trial.total) if trial.total else 0,
        cost=format_money(trial.cost_nano, currency),
        sides=tuple(side.prompt_id for side in trial.sides),
        lines=tuple((name, *(value(side) for side in trial.sides)) for name, value in lines),
        differences=difference_views(trial.differences, currency),
        verdict=trial.verdict,
        notes=_notes(trial, currency),
        broken=tuple((side.prompt_id, case, why) for side in trial.sides for case, why in side.broken),
    )


def trial_href(prompt_id: str, trial_id: str) -> str:
    return f"/prompts/{quote(prompt_id, safe='')}/trials/{quote(trial_id, safe='')}"


def plan_view(plan: TrialPlan, currency: str) -> TrialPlanView:
    """What a trial would ask and cost, in words."""
    asks = f"{_count(plan.tests, 'test case')} and {_count(plan.past, 'past question')}"
    sides = "both prompts" if plan.against != plan.prompt_id else "the prompt in service alone"
    notes = [f"Asked of {sides}: {_count(plan.answers, 'answer')}."]
    if plan.on == "past":
        have = "has" if plan.rated == 1 else "have"
        notes.append(f"{plan.rated} of the past questions {have} an answer that somebody accepted.")
        if plan.rated < LEAST:
            notes.append(
                f"That is too few to judge quality, which takes {LEAST}; cost and time are compared."
            )
    if plan.left_out:
        notes.append(_left_out(plan.left_out))
    return TrialPlanView(
        against=plan.against,
        asks=asks,
        about=format_money(plan.about_nano, currency),
        most=format_money(plan.most_nano, currency),
        suggested=amount(plan.suggested_nano),
        notes=tuple(notes),
    )


def amount(nano: int) -> str:
    """An amount for a form: in units, rounded up to a hundredth of a cent."""
    step = 100_000
    whole = -(-nano // step)
    return f"{whole // 10_000}.{whole % 10_000:04d}"


def difference_views(found: Sequence[Difference], currency: str) -> tuple[DifferenceView, ...]:
    return tuple(_difference(difference, currency) for difference in found)


def _difference(found: Difference, currency: str) -> DifferenceView:
    finding: Finding = found.finding
    words, tone = _said(found.what, finding)
    by, interval = "", ""
    if finding != "too_few":
        by = signed(found.what, found.mean, currency)
        interval = f"{signed(found.what, found.low, currency)} to {signed(found.what, found.high, currency)}"
    return DifferenceView(_NAMES[found.what], words, tone, by, interval, found.n)


def signed(what: What, number: float, currency: str) -> str:
    """A difference with its sign, in the unit of what differs."""
    sign = "+" if number > 0 else "−" if number < 0 else ""
    if what == "cost":
        return f"{sign}{format_money(abs(round(number)), currency)}"
    if what == "time":
        return f"{sign}{ms_words(abs(round(number)))}"
    if what == "right":
        return f"{sign}{abs(100 * number):.0f} points"
    return f"{sign}{abs(number):.3f}"


def _said(what: What, finding: Finding) -> tuple[str, Tone]:
    if finding == "too_few":
        return "too few to judge", "quiet"
    if finding == "none_shown":
        return "no difference shown", "quiet"
    words = _MORE[what][0 if finding == "higher" else 1]
    if words in _GOOD:
        return words, "good"
    return words, "bad" if what in ("agreement", "right") else "warn"


def _notes(trial: Trial, currency: str) -> tuple[str, ...]:
    notes = []
    if trial.left_out:
        notes.append(_left_out(trial.left_out))
    if trial.stopped:
        notes.append(f"It ended early: {trial.stopped}")
    paid = f"All calls together cost us {format_money(trial.cost_nano, currency)}"
    if trial.most_cost_nano is not None:
        paid += f", of {format_money(trial.most_cost_nano, currency)} that they might have"
    notes.append(f"{paid}. Nobody is charged for it.")
    return tuple(notes)


def _left_out(count: int) -> str:
    were = "past question was" if count == 1 else "past questions were"
    return f"{count} {were} left out: the asker may no longer read all that was found."


def _agreement(side: Side) -> str:
    return "none to compare" if side.agreement is None else f"{side.agreement:.2f} over {side.rated}"


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
