"""Calendar months as the ledger names them, such as `2026-11`."""

from datetime import UTC, date, datetime


def this_month(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m")


def month_before(period: str) -> str:
    first = _first(period)
    return f"{first.year - 1}-12" if first.month == 1 else f"{first.year}-{first.month - 1:02}"


def month_after(period: str) -> str:
    first = _first(period)
    return f"{first.year + 1}-01" if first.month == 12 else f"{first.year}-{first.month + 1:02}"


def month_name(period: str) -> str:
    return _first(period).strftime("%B %Y")


def _first(period: str) -> date:
    return date.fromisoformat(f"{period}-01")
