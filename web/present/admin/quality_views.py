"""Values of quality and policy, as their templates show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from web.present.charts import HEIGHT, WIDTH, BarsView, RangesView, Spot
from web.present.views import Tone, When


@dataclass(frozen=True, slots=True)
class IntervalView:
    """A share with its interval, in per cent, and the places of its ends in a drawing."""

    estimate: str
    low: str
    high: str
    from_x: float
    to_x: float
    at_x: float
    width: int = WIDTH


@dataclass(frozen=True, slots=True)
class AlarmView:
    title: str
    says: str
    since: When | None


@dataclass(frozen=True, slots=True)
class FailureView:
    """Questions that ended with this problem; nobody's words stand here."""

    code: str
    count: int
    last: When | None


@dataclass(frozen=True, slots=True)
class QualityView:
    """How the last days went. `asked` counts every question that ended; `local_share` is in words."""

    asked: int
    answered: int
    local_share: str
    quality: IntervalView | None
    quality_how: str
    charged: str
    all_premium: str
    saved: str
    percent_of_premium: int | None
    cost: str
    shadow_cost: str | None
    by_day: BarsView
    local_by_day: BarsView | None
    quality_by_day: RangesView | None
    alarms: tuple[AlarmView, ...]
    failures: tuple[FailureView, ...]
    calibration: str
    calibrated: When | None


@dataclass(frozen=True, slots=True)
class PointView:
    """A point of the curve. `local` is its key: the whole per cent of locally answered questions."""

    local: int
    spot: Spot
    share: str
    cost: str
    wrong: str
    says: str
    premium: int
    take_href: str
    is_today: bool
    selected: bool


@dataclass(frozen=True, slots=True)
class CurveView:
    """Cost against locally answered share. `at` is the place of the selected point in `points`."""

    points: tuple[PointView, ...]
    line: str
    top: str
    today: PointView | None
    selected: PointView
    at: int
    summary: str
    note: str
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class PolicyFormView:
    """The form that chooses: everything as it was written. `errors` names the field of each."""

    kind: str
    quality_percent: str
    confidence_percent: str
    value: str
    premium_percent: str
    window_days: str
    shadow_percent: str
    steps: str
    tokens: str
    question_cost: str
    currency: str
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChoiceView:
    words: str
    shadow: str
    limits: str
    since: When | None
    by: str


@dataclass(frozen=True, slots=True)
class ThresholdView:
    rung: str
    climbs: str
    skips: str


@dataclass(frozen=True, slots=True)
class PolicyStateView:
    """What is in force. `missing` says how many labels the guarantee needs, while there are too few."""

    words: str
    since: When | None
    by: str
    state: str
    tone: Tone
    statement: str
    missing: str | None
    labels: tuple[tuple[str, int], ...]
    thresholds: tuple[ThresholdView, ...]
    calibrated: When | None
    history: tuple[ChoiceView, ...]
