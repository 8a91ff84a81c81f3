"""Prompts, what was decided about them, and their trials in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from app.core.errors import RungError
from billing.money import format_money
from routing.catalogue.cases import Case
from routing.catalogue.figures import PromptFigures, differences_of
from routing.catalogue.files import PromptCard
from routing.catalogue.helpers import HELPERS
from routing.catalogue.prompts import PromptEntry, Serving
from web.deps import Services
from web.present.admin.catalogue.figures import interval_words, ms_words, quality_words
from web.present.admin.catalogue.trials import difference_views
from web.present.admin.catalogue.views import (
    CaseView,
    DifferenceView,
    PromptEventView,
    PromptView,
    RungPromptView,
)
from web.present.admin.views import ConfirmView
from web.present.views import Tone, when

Act = Literal["serve", "stop", "rollback"]


def prompt_href(prompt_id: str) -> str:
    return f"/prompts/{quote(prompt_id, safe='')}"


def prompt_view(card: PromptCard, serving: Sequence[Serving]) -> PromptView:
    found = [f"in service on {now.tier}" for now in serving if now.prompt_id == card.id]
    trials = [f"on {now.share_percent} % of {now.tier}" for now in serving if now.trial_id == card.id]
    if card.helps and HELPERS[card.family].own == card.id:
        found = ["in use"]
    tone: Tone = "bad" if card.problems else "good" if found else "warn" if trials else "quiet"
    return PromptView(
        id=card.id,
        href=prompt_href(card.id),
        tiers=", ".join(card.tiers),
        role=", ".join(found + trials) or "not in use",
        tone=tone,
        cases=card.cases,
        problem="; ".join(card.problems),
        helps=card.helps,
        sha256=card.sha256,
    )


def rung_view(services: Services, workspace_id: str, now: Serving) -> RungPromptView:
    """What speaks on a rung; beside a trial's share, how both did since it began."""
    trial = ""
    compared: tuple[tuple[str, ...], ...] = ()
    differences: tuple[DifferenceView, ...] = ()
    if now.trial_id is not None and now.trial_since is not None:
        trial = f"{now.trial_id} speaks on {now.share_percent} % of the questions"
        found = services.catalogue.figures.prompts(workspace_id, now.tier, now.trial_since)
        currency = services.usage.plan.currency
        compared = tuple(_compared(figures, currency) for figures in found)
        by_id = {figures.prompt_id: figures for figures in found}
        ours, theirs = by_id.get(now.trial_id), by_id.get(now.prompt_id)
        if ours is not None and theirs is not None:
            differences = difference_views(differences_of(ours, theirs), currency)
    return RungPromptView(
        tier=now.tier,
        prompt_id=now.prompt_id,
        prompt_href=prompt_href(now.prompt_id),
        since=when(now.since, services.clock()),
        by=now.by,
        trial=trial,
        compared=compared,
        differences=differences,
        promote_href=f"{prompt_href(now.trial_id)}/serve" if now.trial_id else None,
        rollback_href=f"{prompt_href(now.prompt_id)}/rollback" if now.before else None,
        stop_href=f"{prompt_href(now.trial_id)}/stop" if now.trial_id else None,
    )


def _compared(found: PromptFigures, currency: str) -> tuple[str, ...]:
    judged = interval_words(found.quality)
    return (
        found.prompt_id,
        str(found.answers),
        str(found.abstained),
        f"{quality_words(found.quality)}{f' ({judged})' if judged else ''}",
        format_money(found.cost_each_nano, currency),
        ms_words(found.p50_ms),
        ms_words(found.p95_ms),
    )


def event_view(entry: PromptEntry, now: datetime) -> PromptEventView:
    words = {
        "serve": f"put {entry.prompt_id} into service on {entry.tier}",
        "share": f"tried {entry.prompt_id} on {entry.share_percent} % of {entry.tier}",
        "stop": f"ended the trial of {entry.prompt_id} on {entry.tier}",
        "rollback": f"went back to {entry.prompt_id} on {entry.tier}",
    }
    return PromptEventView(when(entry.at, now), entry.by, words[entry.action])


def case_view(case: Case, *, compared: bool) -> CaseView:
    rules = ["nothing is found"] if case.not_found else []
    rules += [f"says {' or '.join(spellings)}" for spellings in case.must]
    rules += [f"does not say {word}" for word in case.must_not]
    if case.most_words is not None:
        rules.append(f"has at most {case.most_words} words")
    given = tuple(f"{passage.title}: {passage.text}" for passage in case.passages) if compared else ()
    return CaseView(case.id, case.kind.replace("_", " "), case.question, "; ".join(rules), given)


def confirm_view(act: Act, prompt_id: str, now: Serving, error: RungError | None = None) -> ConfirmView:
    """What an act would change."""
    title, changes, button = _words(act, prompt_id, now)
    return ConfirmView(
        title=title,
        changes=(*changes, "It counts from the next question on. Past answers keep the prompt they had."),
        button=button,
        action=f"{prompt_href(prompt_id)}/{act}",
        back_href="/prompts" if act == "rollback" else prompt_href(prompt_id),
        fields=(("tier", now.tier),),
        error=error.message if error else None,
        code=error.code if error else "",
    )


def _words(act: Act, prompt_id: str, now: Serving) -> tuple[str, tuple[str, ...], str]:
    if act == "serve":
        changes: tuple[str, ...] = (f"{prompt_id} speaks on the rung {now.tier} instead of {now.prompt_id}.",)
        if now.trial_id is not None:
            changes += (f"The trial of {now.trial_id} ends.",)
        return f"Put {prompt_id} into service?", changes, f"Put {prompt_id} into service"
    if act == "stop":
        return (
            f"End the trial of {prompt_id}?",
            (f"{now.prompt_id} speaks on all questions of the rung {now.tier}.",),
            "End the trial",
        )
    before = now.before[-1] if now.before else "none"
    return (
        f"Go back to {before}?",
        (f"{before} speaks on the rung {now.tier} instead of {now.prompt_id}.",),
        f"Go back to {before}",
    )
