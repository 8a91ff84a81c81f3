"""What a month will have cost at its end if it goes on as it began."""

from calendar import monthrange
from datetime import UTC, datetime

_DAY_SECONDS = 86_400


def forecast_nano(spent_nano: int, now: datetime) -> int | None:
    """Nano-units at the end of the month, in proportion to the time gone; nothing on the month's first day.

    One day says little about thirty: a guess from less is not shown at all.
    """
    moment = now.astimezone(UTC)
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    gone = int((moment - start).total_seconds())
    if gone < _DAY_SECONDS:
        return None
    whole = monthrange(moment.year, moment.month)[1] * _DAY_SECONDS
    return spent_nano * whole // gone
