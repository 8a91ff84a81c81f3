"""Prompts in service: which version speaks on each rung, since when and by whose hand.

Entries are added, never changed; the newest that concerns a rung counts from the next question on.
"""

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlmodel import col, select

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConfigurationError, ConflictError, InputError
from app.core.identity import Caller
from routing.catalogue.choice import require_admin, who
from routing.catalogue.files import PromptFiles
from routing.catalogue.tables import PromptEntryRow
from routing.llm.prompt import load_prompt

Action = Literal["serve", "share", "stop", "rollback"]

MOST_SHARE_PERCENT = 50

_FRESH_SECONDS = 1.0
"""A decision made in another process counts here after so long at most."""


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """What a person decided. `share_percent` is there for `share` alone."""

    id: str
    tier: str
    action: Action
    prompt_id: str
    share_percent: int | None
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Serving:
    """What speaks on a rung. `since` and `by` are nothing for the ladder's own prompt.

    `trial_id` speaks on `share_percent` of the questions, if any does. A rollback goes back to the last of
    `before`.
    """

    tier: str
    own: str
    prompt_id: str
    since: datetime | None = None
    by: str = ""
    trial_id: str | None = None
    share_percent: int = 0
    trial_since: datetime | None = None
    before: tuple[str, ...] = ()


class PromptDesk:
    """Serves prompts and rolls them back. Implements `choice.PromptChooser`."""

    def __init__(self, database: Database, files: PromptFiles, clock: Clock = utc_now) -> None:
        self._database = database
        self.files = files
        self._own = files.own
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, Serving]]] = {}

    # what rungs ask

    def prompt_for(self, tier: str, default: str, workspace_id: str, query_id: str) -> str:
        serving = self._fresh(workspace_id).get(tier)
        if serving is None:
            return default
        chosen = serving.prompt_id
        if serving.trial_id is not None and in_share(query_id, serving.trial_id, serving.share_percent):
            chosen = serving.trial_id
        load_prompt(chosen)
        return chosen

    # what people see

    def serving(self, workspace_id: str) -> tuple[Serving, ...]:
        """What speaks on each rung that asks a chat model, cheapest first."""
        found = self._read(workspace_id)
        return tuple(found[tier] for tier in self._own)

    def entries(self, workspace_id: str) -> tuple[PromptEntry, ...]:
        """Who decided what when, newest first."""
        with self._database.read() as session:
            chosen = select(PromptEntryRow).where(PromptEntryRow.workspace_id == workspace_id)
            rows = session.exec(chosen.order_by(col(PromptEntryRow.id).desc())).all()
        return tuple(_entry(row) for row in rows)

    # what people decide

    def serve(self, caller: Caller, prompt_id: str, tier: str | None = None) -> Serving:
        """Lets a prompt speak on its rung from the next question on; a trial there ends.

        Raises:
            ForbiddenError: `admin_only`.
            NotFoundError: `no_such_prompt`.
            InputError: `wrong_rung`.
            ConfigurationError: `bad_prompt` or `bad_test_set`, for a prompt with problems.
            ConflictError: `already_in_service`.
        """
        require_admin(caller, "put prompts into service")
        rung = self._sound(prompt_id, tier)
        now = self._read(caller.workspace_id)[rung]
        if now.prompt_id == prompt_id and now.trial_id is None:
            raise ConflictError(f"{prompt_id} is in service already.", code="already_in_service")
        return self._add(caller, rung, "serve", prompt_id)

    def share(self, caller: Caller, prompt_id: str, percent: int, tier: str | None = None) -> Serving:
        """Lets a prompt speak on a share of its rung's questions, beside the one in service.

        Raises: as `serve`; InputError `bad_share` besides.
        """
        require_admin(caller, "try prompts")
        rung = self._sound(prompt_id, tier)
        if not 1 <= percent <= MOST_SHARE_PERCENT:
            raise InputError(f"A trial's share is 1 to {MOST_SHARE_PERCENT} per cent.", code="bad_share")
        if self._read(caller.workspace_id)[rung].prompt_id == prompt_id:
            raise ConflictError(f"{prompt_id} is in service already.", code="already_in_service")
        return self._add(caller, rung, "share", prompt_id, percent)

    def stop(self, caller: Caller, tier: str) -> Serving:
        """Ends the trial on a share of a rung's questions. ConflictError `no_trial` where there is none."""
        require_admin(caller, "end trials of prompts")
        now = self._of(caller.workspace_id, tier)
        if now.trial_id is None:
            raise ConflictError(f"No prompt is on trial on the rung {tier}.", code="no_trial")
        return self._add(caller, tier, "stop", now.trial_id)

    def roll_back(self, caller: Caller, tier: str) -> Serving:
        """Lets the prompt before speak again. ConflictError `nothing_before` where there is none."""
        require_admin(caller, "roll prompts back")
        now = self._of(caller.workspace_id, tier)
        if not now.before:
            raise ConflictError(
                f"No other prompt was in service on the rung {tier} before {now.prompt_id}.",
                code="nothing_before",
            )
        load_prompt(now.before[-1])
        return self._add(caller, tier, "rollback", now.before[-1])

    def rung_of(self, prompt_id: str, tier: str | None = None) -> str:
        """The rung that a prompt is for.

        Raises:
            NotFoundError: `no_such_prompt`.
            InputError: `wrong_rung`, where it is not for the named one, or several could use it.
        """
        tiers = self.files.card(prompt_id).tiers
        if tier is None and len(tiers) == 1:
            return tiers[0]
        if tier not in tiers:
            raise InputError(f"{prompt_id} is for the rung {' or '.join(tiers)}: name it.", code="wrong_rung")
        return tier

    def _sound(self, prompt_id: str, tier: str | None) -> str:
        rung = self.rung_of(prompt_id, tier)
        card = self.files.card(prompt_id)
        if card.helps:
            raise InputError(
                f"{prompt_id} {card.helps}: it speaks on no rung, and its version comes with Rung.",
                code="wrong_rung",
            )
        if problems := card.problems:
            raise ConfigurationError(f"{prompt_id} cannot be used: {'; '.join(problems)}.", code="bad_prompt")
        return rung

    def _of(self, workspace_id: str, tier: str) -> Serving:
        if tier not in self._own:
            raise InputError(
                f"The rung {tier!r} has no prompts; name {' or '.join(self._own)}.", code="wrong_rung"
            )
        return self._read(workspace_id)[tier]

    def _add(
        self, caller: Caller, tier: str, action: Action, prompt_id: str, percent: int | None = None
    ) -> Serving:
        row = PromptEntryRow(
            id=new_id(),
            workspace_id=caller.workspace_id,
            tier=tier,
            action=action,
            prompt_id=prompt_id,
            share_percent=percent,
            at=self._clock(),
            by=who(caller),
        )
        with self._database.write() as session:
            session.add(row)
        with self._lock:
            self._kept.pop(caller.workspace_id, None)
        return self._read(caller.workspace_id)[tier]

    def _fresh(self, workspace_id: str) -> dict[str, Serving]:
        with self._lock:
            kept = self._kept.get(workspace_id)
            if kept is None or time.monotonic() - kept[0] > _FRESH_SECONDS:
                kept = (time.monotonic(), self._read(workspace_id))
                self._kept[workspace_id] = kept
            return kept[1]

    def _read(self, workspace_id: str) -> dict[str, Serving]:
        entries = tuple(reversed(self.entries(workspace_id)))
        return {
            tier: serving_of(tier, own, [entry for entry in entries if entry.tier == tier])
            for tier, own in self._own.items()
        }


def serving_of(tier: str, own: str, entries: Sequence[PromptEntry]) -> Serving:
    """What a rung's entries, oldest first, come to."""
    now = Serving(tier, own, own)
    for entry in entries:
        if entry.action == "share":
            trial = (entry.prompt_id, entry.share_percent or 0, entry.at)
            now = Serving(tier, own, now.prompt_id, now.since, now.by, *trial, now.before)
        elif entry.action == "stop":
            now = Serving(tier, own, now.prompt_id, now.since, now.by, before=now.before)
        elif entry.action == "rollback":
            now = Serving(tier, own, entry.prompt_id, entry.at, entry.by, before=now.before[:-1])
        else:
            changed = entry.prompt_id != now.prompt_id
            before = (*now.before, now.prompt_id) if changed else now.before
            now = Serving(tier, own, entry.prompt_id, entry.at, entry.by, before=before)
    return now


def in_share(query_id: str, prompt_id: str, percent: int) -> bool:
    """Whether a question belongs to a trial's share: always the same for the same two ids."""
    if not query_id:
        return False
    drawn = hashlib.sha256(f"{prompt_id}\n{query_id}".encode()).digest()
    return int.from_bytes(drawn[:8]) % 100 < percent


def _entry(row: PromptEntryRow) -> PromptEntry:
    action = cast(Action, row.action)
    return PromptEntry(row.id, row.tier, action, row.prompt_id, row.share_percent, row.at, row.by)
