"""Values of a column of the last change that are times, written as text by the database."""

from datetime import UTC, datetime, timedelta


def moment(value: object) -> datetime | None:
    """A time, in UTC where nothing else is said; none for what is no time (a number, a far-off year)."""
    if not isinstance(value, str) or len(value) < len("2026-01-01"):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def not_after(value: object, now: datetime) -> object:
    """The value, or the present where it lies ahead: a wrong date must not hide what comes until then."""
    found = moment(value)
    if (found is not None and found > now) or value == "infinity":
        return _like(now, str(value))
    return value


def before(value: object, minutes: int) -> object:
    """The value some minutes earlier; a number is as it was."""
    found = moment(value)
    if found is None:
        return value
    return _like(found - timedelta(minutes=minutes), str(value))


def _like(found: datetime, pattern: str) -> str:
    """A time in UTC in the shape of another text, since SQLite compares them as texts."""
    gap = pattern[10] if len(pattern) > 10 and pattern[10] in " T" else " "
    text = found.astimezone(UTC).strftime(f"%Y-%m-%d{gap}%H:%M:%S")
    if len(pattern) == len("2026-01-01"):
        return text[:10]
    tail = pattern[10:]
    return text + ("Z" if tail.endswith("Z") else "+00:00" if "+" in tail or "-" in tail else "")
