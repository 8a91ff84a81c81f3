"""The desk where people choose and see a workspace's policy. Pages, API and command line all come here."""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from app.core.clock import Clock, utc_now
from app.core.db import Database
from app.core.errors import ForbiddenError, InputError
from app.core.identity import Caller
from routing.policy.calibrating import Calibrating
from routing.policy.decisions import CLIMB_ABOVE, SKIP_ABOVE, Policy, Thresholds
from routing.policy.evidence import labels
from routing.policy.objectives import Objective, Price, Share, check, check_limits
from routing.policy.proof import calibration as fitting
from routing.policy.reports import (
    CalibrationReport,
    Choice,
    Curve,
    PolicyView,
    QualityReport,
    Threshold,
)
from routing.policy.shown import estimates, past, words
from routing.policy.shown.curve import points
from routing.policy.store import PolicyStore, ShareGate
from routing.policy.tables import CalibrationRow
from routing.tier import Ladder, RungKind, TierLimits

_FRESH_SECONDS = 2.0
"""How long another process may go on with what was chosen before; in this one a choice counts at once."""

_MOST_DAYS = 366


class PolicyDesk:
    """Implements `decisions.Policies`.

    Args:
        ladder: returns the rungs; called when first needed, since making them takes a while.
        charges: what questions were charged; billing knows.
        shadow_share: for workspaces where nobody has chosen.
    """

    def __init__(
        self,
        database: Database,
        *,
        ladder: Callable[[], Ladder],
        charges: past.Charges,
        currency: str,
        shadow_share: float = 0.0,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._ladder = ladder
        self._charges = charges
        self._currency = currency
        self._clock = clock
        self._store = PolicyStore(database, clock, shadow_share)
        self._calibrating = Calibrating(database, self._store, clock)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Policy]] = {}

    def of(self, workspace_id: str) -> Policy:
        """The policy in force now; a new choice counts with the next question."""
        with self._lock:
            until, policy = self._known.get(workspace_id, (0.0, None))
        if policy is not None and time.monotonic() < until:
            return policy
        policy = self._policy(workspace_id, *self._store.current(workspace_id))
        with self._lock:
            self._known[workspace_id] = (time.monotonic() + _FRESH_SECONDS, policy)
        return policy

    def view(self, workspace_id: str) -> PolicyView:
        """What is in force and what can be said for it. Labels are counted as they are now."""
        history = self._store.history(workspace_id)
        choice, row = self._store.current(workspace_id)
        fit = self._fit(workspace_id, choice, row)
        now = labels.comparable(self._labels(workspace_id))
        needed = max((rung.labels.needed for rung in fit.rungs), default=0)
        return PolicyView(
            objective=choice.objective,
            thresholds=self._thresholds(row),
            statement=fit.statement if row is None else row.statement,
            state="careful" if row is None and fit.state == "guaranteed" else _state(row, fit.state),
            since=choice.since,
            by=choice.by,
            shadow_share=choice.shadow_share,
            labels=fitting.counts(now, needed),
            calibrated_at=row.created_at if row is not None else None,
            history=history,
            currency=self._currency,
            limits=choice.limits,
        )

    def choose(
        self,
        caller: Caller,
        objective: Objective,
        *,
        shadow_share: float | None = None,
        limits: TierLimits | None = None,
    ) -> PolicyView:
        """Writes a new dated choice and calibrates for it. A `shadow_share` or `limits` of nothing keep the
        present ones.

        Raises:
            ForbiddenError: the caller is no admin.
            InputError: see `objectives.check` and `check_limits`.
        """
        if not caller.is_admin:
            raise ForbiddenError("Only an admin may choose a policy.")
        check(objective, shadow_share)
        if limits is not None:
            check_limits(limits)
        now = self._store.current(caller.workspace_id)[0]
        self._store.add_choice(
            caller,
            objective,
            now.shadow_share if shadow_share is None else shadow_share,
            now.limits if limits is None else limits,
        )
        self.calibrate(caller.workspace_id, by=caller.name)
        return self.view(caller.workspace_id)

    def calibrate(self, workspace_id: str, *, by: str = "") -> CalibrationReport:
        """Fits the thresholds to the labels there are now; writes nothing where nothing changed."""
        self._collect(workspace_id)
        choice, row = self._store.current(workspace_id)
        fit = self._fit(workspace_id, choice, row)
        report = self._calibrating.keep(workspace_id, choice, fit, by)
        with self._lock:
            self._known.pop(workspace_id, None)
        return report

    def curve(self, workspace_id: str, days: int = 30) -> Curve:
        """What every threshold would have cost and answered locally.

        Raises:
            InputError: `invalid_days` outside 1 to 366.
        """
        since = self._since(days)
        asked, charges = self._asked(workspace_id, since), self._charges(workspace_id, since)
        top = self._ladder().top
        known = [question for question in asked if question.query_id in charges]
        modelled = sum(not charges[question.query_id].observed for question in known)
        today = points(known, charges, top.name, [self._main_threshold(workspace_id)])
        return Curve(
            points=points(known, charges, top.name) if known else (),
            today=today[0] if known else None,
            questions=len(known),
            modelled=modelled,
            currency=self._currency,
            since=since,
            note=words.curve_note(len(known), modelled, top),
        )

    def quality(self, workspace_id: str, days: int = 30) -> QualityReport:
        """How the last days went.

        Raises:
            InputError: `invalid_days` outside 1 to 366.
        """
        since, now = self._since(days), self._clock()
        self._collect(workspace_id)
        choice, row = self._store.current(workspace_id)
        known = self._labels(workspace_id)
        with self._database.read() as session:
            by_day = past.by_day(session, workspace_id, since, now)
            failures = past.failures(session, workspace_id, since)
        charges = self._charges(workspace_id, since)
        shadow_nano, sums = _sums(charges)
        judged = [label for label in known if label.shown and label.created_at >= since]
        answered = sum(sum(day.by_tier.values()) for day in by_day)
        top = sum(day.by_tier.get(self._ladder().top.name, 0) for day in by_day)
        statement = self._fit(workspace_id, choice, row).statement if row is None else row.statement
        return QualityReport(
            days=by_day,
            answered=answered,
            local_share=(answered - top) / answered if answered else None,
            quality=estimates.estimate(judged),
            quality_by_day=estimates.by_day(judged, [count.day for count in by_day]),
            price_nano=sums[0],
            cost_nano=sums[1],
            shadow_cost_nano=shadow_nano,
            all_premium_nano=sums[2],
            currency=self._currency,
            drift=self._calibrating.drift(workspace_id, choice, known),
            failures=failures,
            calibration=statement,
            since=since,
            calibrated_at=row.created_at if row is not None else None,
        )

    def kinds(self) -> dict[str, RungKind]:
        """The kind of each rung whose answers are judged, by its name."""
        ladder = self._ladder()
        return {tier.name: tier.kind for tier in ladder.tiers if tier is not ladder.top}

    def _policy(self, workspace_id: str, choice: Choice, row: CalibrationRow | None) -> Policy:
        objective = choice.objective
        by_kind = {
            threshold.kind: Thresholds(threshold.climb_above, threshold.skip_above)
            for threshold in self._thresholds(row)
        }
        gate = None
        if isinstance(objective, Share):
            gate = ShareGate(
                self._database, self._clock, workspace_id, objective.premium, objective.window_days
            )
        return Policy(
            by_kind=by_kind,
            value_nano=objective.value_nano if isinstance(objective, Price) else None,
            gate=gate,
            shadow_share=choice.shadow_share,
            limits=choice.limits,
            objective=words.objective(objective, self._currency),
        )

    def _thresholds(self, row: CalibrationRow | None) -> tuple[Threshold, ...]:
        kept: Mapping[str, float] = {} if row is None else row.thresholds
        found: dict[RungKind, Threshold] = {}
        for kind in self.kinds().values():
            climb_above = float(kept.get(kind, CLIMB_ABOVE))
            found[kind] = Threshold(kind, climb_above, max(SKIP_ABOVE, climb_above))
        return tuple(found.values())

    def _main_threshold(self, workspace_id: str) -> float:
        """Of the cheapest rung: the one that most questions meet."""
        return self.of(workspace_id).thresholds(self._ladder().cheapest.kind).climb_above

    def _fit(self, workspace_id: str, choice: Choice, row: CalibrationRow | None) -> fitting.Fit:
        days = choice.objective.window_days if isinstance(choice.objective, Share) else 30
        since = self._since(days)
        ladder = self._ladder()
        usable = [tier.kind for tier in ladder.available() if tier is not ladder.top]
        asked = self._asked(workspace_id, since)
        kept: Mapping[str, float] = {} if row is None else row.thresholds
        kinds = tuple(dict.fromkeys(usable))
        return fitting.fit(
            choice.objective,
            fitting.Known(
                kinds=kinds,
                labels=labels.comparable(self._labels(workspace_id)),
                before={kind: float(kept.get(kind, CLIMB_ABOVE)) for kind in kinds},
                probabilities=[question.probability for question in asked],
                extra_nano=self._extra_nano(workspace_id, since, choice.objective),
                shadow_share=choice.shadow_share,
            ),
        )

    def _extra_nano(self, workspace_id: str, since: datetime, objective: Objective) -> int | None:
        """What the top rung costs more for a question, on average; only where it is asked for."""
        if not isinstance(objective, Price):
            return None
        charges = self._charges(workspace_id, since).values()
        extra = [charge.baseline_nano - charge.price_nano for charge in charges if not charge.observed]
        extra = [nano for nano in extra if nano > 0]
        return round(sum(extra) / len(extra)) if extra else None

    def _collect(self, workspace_id: str) -> None:
        with self._database.write() as session:
            labels.collect(session, workspace_id, self.kinds())

    def _labels(self, workspace_id: str) -> list[labels.Label]:
        with self._database.read() as session:
            return labels.load(session, workspace_id)

    def _asked(self, workspace_id: str, since: datetime) -> list[past.PastQuestion]:
        with self._database.read() as session:
            return past.questions(session, workspace_id, since)

    def _since(self, days: int) -> datetime:
        if not 1 <= days <= _MOST_DAYS:
            raise InputError(f"Choose from 1 to {_MOST_DAYS} days.", code="invalid_days")
        start = self._clock().astimezone(UTC) - timedelta(days=days - 1)
        return start.replace(hour=0, minute=0, second=0, microsecond=0)


def _state(row: CalibrationRow | None, fitted: str) -> "words.State":
    return words.state(fitted if row is None else row.state)


def _sums(charges: Mapping[str, past.Charge]) -> tuple[int, tuple[int, int, int]]:
    """The cost of what nobody was shown; and price, cost and premium price of all."""
    shadow = sum(charge.cost_nano for query_id, charge in charges.items() if words.is_unseen(query_id))
    every = charges.values()
    return shadow, (
        sum(charge.price_nano for charge in every),
        sum(charge.cost_nano for charge in every),
        sum(charge.baseline_nano for charge in every),
    )
