"""The share of right answers below the top rung, by the labels: of a period, and of each of its days."""

from collections.abc import Sequence
from datetime import UTC, date

from routing.policy.evidence.labels import Label
from routing.policy.proof.binomial import interval
from routing.policy.proof.calibration import of_questions
from routing.policy.reports import DayQuality, QualityEstimate
from routing.policy.shown import words


def estimate(known: Sequence[Label]) -> QualityEstimate:
    """Of drawn labels where there are any; else of what people said, which is not drawn at random."""
    chosen, drawn = _counted(known)
    judged = of_questions(chosen)
    right, n = sum(not one.wrong for one in judged), len(judged)
    if n == 0:
        return QualityEstimate(None, None, None, 0, "No answer has a label yet.")
    low, high = interval(right, n)
    return QualityEstimate(right / n, low, high, n, words.how_known(n, drawn=drawn))


def by_day(known: Sequence[Label], days: Sequence[date]) -> tuple[DayQuality, ...]:
    """Of each day (UTC) the answers judged on it, from the same labels as the estimate of the whole period.

    An answer that was judged more than once counts on the day of the last time.
    """
    chosen, _ = _counted(known)
    of_query: dict[str, list[Label]] = {}
    for label in chosen:
        of_query.setdefault(label.query_id, []).append(label)
    by_date: dict[date, list[Label]] = {day: [] for day in days}
    for labels in of_query.values():
        day = max(label.created_at for label in labels).astimezone(UTC).date()
        by_date.get(day, []).extend(labels)
    return tuple(_of_day(day, by_date[day]) for day in days)


def _of_day(day: date, labels: Sequence[Label]) -> DayQuality:
    judged = of_questions(labels)
    right, n = sum(not one.wrong for one in judged), len(judged)
    if n == 0:
        return DayQuality(day, 0, 0, None, None, None)
    low, high = interval(right, n)
    return DayQuality(day, right, n, right / n, low, high)


def _counted(known: Sequence[Label]) -> tuple[list[Label], bool]:
    """The labels that count, and whether they were drawn at random."""
    drawn = [label for label in known if label.how == "shadow"]
    queries = {label.query_id for label in (drawn or known)}
    return [label for label in known if label.query_id in queries], bool(drawn)
