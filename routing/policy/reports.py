"""What people are shown of quality and policy: plain values, no HTML.

Money is what people are charged, in nano-units of `currency`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from routing.policy.objectives import Objective
from routing.tier import RungKind, TierLimits

CalibrationState = Literal["careful", "guaranteed", "set"]
"""careful: too few labels, so the careful default holds. guaranteed: the labels prove the quality. set: the
objective (price or share) needs no proof."""

DriftKind = Literal["quality", "questions"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `climb_above` on, the answer of a rung of this kind is not good enough; from `skip_above` on it is
    not even asked. Above 1 means never."""

    kind: RungKind
    climb_above: float
    skip_above: float


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """How many labels there are, by how they came to be. `drawn` came from questions drawn at random: the
    guarantee stands on them; `needed` is the fewest that could prove the quality, all of them right."""

    feedback: int = 0
    escalation: int = 0
    shadow: int = 0
    wrong: int = 0
    needed: int = 0

    @property
    def total(self) -> int:
        return self.feedback + self.escalation + self.shadow

    @property
    def drawn(self) -> int:
        return self.shadow


@dataclass(frozen=True, slots=True)
class Choice:
    """One objective that was chosen; the newest counts. `by` is empty for the default, chosen by nobody."""

    id: str
    objective: Objective
    shadow_share: float
    since: datetime | None
    by: str
    by_user_id: str = ""
    limits: TierLimits = field(default_factory=TierLimits)


@dataclass(frozen=True, slots=True)
class PolicyView:
    """What is in force, and what can be said for it in one sentence (`statement`).

    `thresholds` stands per kind of rung that is judged. `calibrated_at` is nothing where none was ever made.
    `history` holds every choice, newest first, the one in force included. `limits` are of one question.
    """

    objective: Objective
    thresholds: tuple[Threshold, ...]
    statement: str
    state: CalibrationState
    since: datetime | None
    by: str
    shadow_share: float
    labels: LabelCounts
    calibrated_at: datetime | None
    history: tuple[Choice, ...]
    currency: str
    limits: TierLimits = field(default_factory=TierLimits)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What this threshold would have meant for the past questions.

    local_share: answered below the top rung. cost_nano: what they would have been charged together.
    expected_wrong: how many answers would probably have been wrong.
    """

    threshold: float
    local_share: float
    cost_nano: int
    expected_wrong: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Points by rising threshold, over `questions` past questions. `today` is the point of the threshold in
    force; nothing where there were no questions. `modelled` of the premium prices were worked out, not
    charged. `note` says in words what to know about the prices."""

    points: tuple[CurvePoint, ...]
    today: CurvePoint | None
    questions: int
    modelled: int
    currency: str
    since: datetime
    note: str


@dataclass(frozen=True, slots=True)
class QualityEstimate:
    """Share of right answers among labelled answers of the cheap rungs, with a 95% interval. `how` names the
    labels and the method. `estimate`, `low` and `high` are nothing where there is no label."""

    estimate: float | None
    low: float | None
    high: float | None
    n: int
    how: str


@dataclass(frozen=True, slots=True)
class DayQuality:
    """The answers below the top rung that were judged on one day (UTC): `right` of `n`, with a 95% interval.
    `estimate`, `low` and `high` are nothing where none was."""

    day: date
    right: int
    n: int
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class DriftAlert:
    """Something is no longer as it was when the thresholds were calibrated.

    `before` and `now` are error rates (quality), or nothing and the stability index (questions). `n_before`
    and `n_now` count what they were worked out from. `says` is for people.
    """

    kind: DriftKind
    says: str
    before: float | None
    now: float
    n_before: int
    n_now: int
    since: datetime
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class DayCount:
    """Finished questions of one day (UTC): answered by each rung, not answered, failed."""

    day: date
    by_tier: Mapping[str, int]
    abstained: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Questions that ended with this problem since then; `last` is the newest."""

    code: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class QualityReport:
    """A workspace's questions of the last days. Every day is there, also those without a question.

    `local_share` is that of answered questions answered below the top rung; nothing where none was answered.
    `price_nano` is what was charged and `all_premium_nano` what the top rung alone would have charged for the
    same answers; `cost_nano` is what it cost us, with `shadow_cost_nano` for answers that nobody was shown.
    `calibrated_at` is when the thresholds were last calibrated.
    """

    days: tuple[DayCount, ...]
    answered: int
    local_share: float | None
    quality: QualityEstimate
    quality_by_day: tuple[DayQuality, ...]
    price_nano: int
    cost_nano: int
    shadow_cost_nano: int
    all_premium_nano: int
    currency: str
    drift: tuple[DriftAlert, ...]
    failures: tuple[FailureCount, ...]
    calibration: str
    since: datetime
    calibrated_at: datetime | None = None

    @property
    def saved_nano(self) -> int:
        return self.all_premium_nano - self.price_nano


@dataclass(frozen=True, slots=True)
class RungCalibration:
    """What a calibration did at one kind of rung."""

    kind: RungKind
    labels: LabelCounts
    before: float
    after: float
    says: str


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """One calibration. `changed` is false where nothing new was found: then nothing was stored either, and
    `at` is that of the calibration that holds."""

    id: str
    at: datetime
    by: str
    state: CalibrationState
    statement: str
    rungs: tuple[RungCalibration, ...]
    changed: bool
    objective: Objective
