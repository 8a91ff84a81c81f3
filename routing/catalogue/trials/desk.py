"""What people do with trials: see what one would cost, begin it, watch it, stop it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import structlog

from app.core.clock import Clock, new_id, utc_now
from app.core.db import Database
from app.core.errors import ConfigurationError, ConflictError, InputError
from app.core.identity import Caller
from app.core.usage import Meter
from routing.adapters.learning.past import Past
from routing.catalogue.choice import PromptChooser, ThisPrompt, require_admin, who
from routing.catalogue.files import family
from routing.catalogue.helpers import HELPERS
from routing.catalogue.prompts import PromptDesk
from routing.catalogue.tables import PromptTrialRow
from routing.catalogue.trials.questions import Asked, Askers, PastQuestions, of_past, of_tests
from routing.catalogue.trials.running import Means, Progress, Running
from routing.catalogue.trials.shelf import Side, Trial, TrialShelf
from routing.tier import Tier, TierSpec
from routing.tiers.chat import ChatTier
from routing.tiers.helper import HelperTier

_log = structlog.get_logger()

On = Literal["tests", "past"]
MOST_PAST = 500

TierWith = Callable[[TierSpec, PromptChooser], Tier]


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What a trial would ask, and what that would cost us; nothing was asked.

    past: past questions, `rated` of them with an answer that somebody accepted. about_nano: if each answer
    takes one call. most_nano: if each took all it may. `suggested_nano` is a bound that such a trial hardly
    meets: twice what it is expected to cost, and room for one question that takes all it may.
    """

    tier: str
    prompt_id: str
    against: str
    on: On
    tests: int
    past: int
    rated: int
    left_out: int
    answers: int
    about_nano: int
    most_nano: int
    suggested_nano: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    plan: TrialPlan
    questions: tuple[Asked, ...]
    tiers: dict[str, Tier]


class Trials:
    """Runs trials and keeps what came of them. Close it, so that one under way is ended.

    Args:
        tier_with: makes the rung of a spec, asking this chooser for its prompt.
        askers: whom past questions are asked as.
    """

    def __init__(
        self,
        database: Database,
        desk: PromptDesk,
        specs: Sequence[TierSpec],
        *,
        tier_with: TierWith,
        meter: Meter,
        askers: Askers,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._desk = desk
        self._specs = specs
        self._tier_with = tier_with
        self._askers = askers
        self._clock = clock
        self._leaving = threading.Event()
        self._means = Means(database, meter, clock, self._leaving.is_set)
        self._shelf = TrialShelf(database, clock)
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def list(self, workspace_id: str, prompt_id: str | None = None) -> tuple[Trial, ...]:
        """The trials of a workspace, newest first."""
        return self._shelf.list(workspace_id, prompt_id)

    def get(self, workspace_id: str, trial_id: str) -> Trial:
        """Raises NotFoundError `no_such_trial`."""
        return self._shelf.get(workspace_id, trial_id)

    def plan(
        self, caller: Caller, prompt_id: str, *, on: On = "tests", limit: int = 50, tier: str | None = None
    ) -> TrialPlan:
        """What a trial would ask and cost. Arguments and errors are those of `run`."""
        return self._prepare(caller, prompt_id, on, limit, tier).plan

    def start(
        self,
        caller: Caller,
        prompt_id: str,
        *,
        on: On = "tests",
        limit: int = 50,
        tier: str | None = None,
        most_cost_nano: int | None = None,
    ) -> Trial:
        """Begins a trial in the background and returns it as it stands. Arguments and errors are those of
        `run`."""
        prepared = self._prepare(caller, prompt_id, on, limit, tier)
        row = self._begin(caller, prepared, most_cost_nano)
        running = Running(self._means, caller, row, prepared.tiers)
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="trial")
            self._pool.submit(_in_the_background, running, prepared.questions)
        return self.get(caller.workspace_id, row.id)

    def run(
        self,
        caller: Caller,
        prompt_id: str,
        *,
        on: On = "tests",
        limit: int = 50,
        tier: str | None = None,
        most_cost_nano: int | None = None,
        report: Progress = lambda _done, _of: None,
    ) -> Trial:
        """Tries a prompt against the one in service, to its end.

        Args:
            on: `tests` asks the prompt's test set; `past` past questions as well, of people who may still
                read every document that was found for them.
            limit: the most past questions.
            most_cost_nano: it ends before a question that might make it cost us more; twice the expected cost
                and one dearest question where nothing is given.

        Raises:
            ForbiddenError: `admin_only`.
            NotFoundError: `no_such_prompt`; InputError: `wrong_rung`, `bad_limit`, `bad_bound`, `tests_only`.
            ConfigurationError: `bad_prompt`, `bad_test_set`, or `tier_unavailable`.
            ConflictError: `trial_running`, while another one runs.
        """
        prepared = self._prepare(caller, prompt_id, on, limit, tier)
        row = self._begin(caller, prepared, most_cost_nano)
        Running(self._means, caller, row, prepared.tiers).ask_all(prepared.questions, report)
        return self.get(caller.workspace_id, row.id)

    def stop(self, caller: Caller, trial_id: str) -> Trial:
        """Ends a trial after the question under way, in whichever process it runs.

        Raises:
            ForbiddenError: `admin_only`.
            NotFoundError: `no_such_trial`; ConflictError: `trial_ended`.
        """
        require_admin(caller, "stop trials")
        trial = self.get(caller.workspace_id, trial_id)
        if trial.state != "running":
            raise ConflictError("This trial has ended already.", code="trial_ended")
        with self._database.write() as session:
            row = session.get_one(PromptTrialRow, trial_id)
            row.stop_by = row.stop_by or who(caller)
            session.add(row)
        return self.get(caller.workspace_id, trial_id)

    def close(self) -> None:
        """Ends what is under way after its question, and waits for that."""
        self._leaving.set()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _prepare(self, caller: Caller, prompt_id: str, on: On, limit: int, tier: str | None) -> _Prepared:
        require_admin(caller, "try prompts")
        if not 1 <= limit <= MOST_PAST:
            raise InputError(f"A trial takes 1 to {MOST_PAST} past questions.", code="bad_limit")
        rung = self._desk.rung_of(prompt_id, tier)
        if problems := self._desk.files.card(prompt_id).problems:
            raise ConfigurationError(
                f"{prompt_id} cannot be tried: {'; '.join(problems)}.", code="bad_prompt"
            )
        if on == "past" and self._desk.files.card(prompt_id).helps:
            raise InputError(f"{prompt_id} answers no questions: try it on its test set.", code="tests_only")
        against = self._in_service(caller.workspace_id, prompt_id, rung)
        tiers = {name: self._rung(rung, name) for name in dict.fromkeys((prompt_id, against))}
        tests = of_tests(self._desk.files.tests(prompt_id).cases, caller)
        past = PastQuestions()
        if on == "past":
            past = of_past(Past(self._database), caller.workspace_id, limit, self._askers)
        questions = (*tests, *past.asked)
        about = sum(tier.expected(asked.request).cost_nano for asked in questions for tier in tiers.values())
        dearest = sum(tier.at_most().cost_nano for tier in tiers.values())
        plan = TrialPlan(
            tier=rung,
            prompt_id=prompt_id,
            against=against,
            on=on,
            tests=len(tests),
            past=len(past.asked),
            rated=sum(asked.is_rated for asked in past.asked),
            left_out=past.left_out,
            answers=len(questions) * len(tiers),
            about_nano=about,
            most_nano=dearest * len(questions),
            suggested_nano=min(2 * about + dearest, dearest * len(questions)),
        )
        return _Prepared(plan, questions, tiers)

    def _in_service(self, workspace_id: str, prompt_id: str, rung: str) -> str:
        if (helper := HELPERS.get(family(prompt_id))) is not None:
            return helper.own
        return next(now.prompt_id for now in self._desk.serving(workspace_id) if now.tier == rung)

    def _rung(self, name: str, prompt_id: str) -> Tier:
        spec = next(spec for spec in self._specs if spec.name == name)
        tier = self._tier_with(spec, ThisPrompt(prompt_id))
        if tier.unavailable is not None:
            raise ConfigurationError(tier.unavailable, code="tier_unavailable")
        if (helper := HELPERS.get(family(prompt_id))) is None:
            return tier
        if not isinstance(tier, ChatTier):
            raise ConfigurationError(f"The rung {name} asks no chat model.", code="tier_unavailable")
        messages = partial(helper.messages, prompt_id)
        return HelperTier(tier, messages, helper.most_tokens, may_abstain=helper.says_not_found)

    def _begin(self, caller: Caller, prepared: _Prepared, most_cost_nano: int | None) -> PromptTrialRow:
        plan, now = prepared.plan, self._clock()
        if most_cost_nano is not None and most_cost_nano < 0:
            raise InputError("What a trial may cost is an amount from 0 on.", code="bad_bound")
        if (other := self._shelf.running(caller.workspace_id)) is not None:
            raise ConflictError(
                f"A trial of {other.prompt_id} is running: wait for its end, or stop it.",
                code="trial_running",
            )
        row = PromptTrialRow(
            id=new_id(),
            workspace_id=caller.workspace_id,
            tier=plan.tier,
            prompt_id=plan.prompt_id,
            against=plan.against,
            model="",
            at=now,
            by=who(caller),
            cost_nano=0,
            left_out=plan.left_out,
            stopped="",
            verdict="",
            figures=[asdict(_nothing_yet(side)) for side in prepared.tiers],
            state="running",
            done=0,
            total=len(prepared.questions),
            most_cost_nano=plan.suggested_nano if most_cost_nano is None else most_cost_nano,
            beat_at=now,
        )
        with self._database.write() as session:
            session.add(row)
        return row


def _in_the_background(running: Running, questions: Sequence[Asked]) -> None:
    try:
        running.ask_all(questions, lambda _done, _of: None)
    except Exception:  # noqa: BLE001 - logged with its traceback; the trial's row says that it ended so
        _log.exception("a trial broke off")


def _nothing_yet(prompt_id: str) -> Side:
    return Side(prompt_id, 0, 0, (), 0, 0, None, 0, 0, 0, 0, 0, None, None)
