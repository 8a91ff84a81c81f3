"""Calendars: events and tasks with their times in words, by icalendar (BSD)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingest.parsing.archive.limits import broken_file
from ingest.parsing.document import ParsedDocument, TextBuilder, decode, one_line

ICS = "text/calendar"
_KINDS = {"VEVENT": "event", "VTODO": "task", "VJOURNAL": "entry"}
_EVERY = {"YEARLY": "year", "MONTHLY": "month", "WEEKLY": "week", "DAILY": "day", "HOURLY": "hour"}
_DAYS = {
    "MO": "Monday",
    "TU": "Tuesday",
    "WE": "Wednesday",
    "TH": "Thursday",
    "FR": "Friday",
    "SA": "Saturday",
    "SU": "Sunday",
}
_ORDINALS = {"1": "first ", "2": "second ", "3": "third ", "4": "fourth ", "5": "fifth ", "-1": "last "}
_FIELDS = (("LOCATION", "Where"), ("ORGANIZER", "Organizer"), ("STATUS", "Status"))


def parse_ics(content: bytes) -> ParsedDocument:
    """A heading an event or task, then when it is, how it repeats, where, with whom and what about.

    Times are as written, with the name of their zone. Repetitions are told in words and not unrolled.
    """
    from icalendar import Calendar

    text = decode(content)
    builder = TextBuilder()
    latest: datetime | None = None
    with broken_file("calendar"):
        calendars = Calendar.from_ical(text, multiple=True)
        for calendar in calendars:
            for item in calendar.walk():
                if item.name in _KINDS:
                    _write(builder, item)
                    latest = max(filter(None, (latest, _changed(item))), default=None)
        name = one_line(str(calendars[0].get("X-WR-CALNAME", ""))) if calendars else ""
    parsed = builder.build(ICS, title=name, updated_at=latest)
    if name or len(parsed.headings) == 1:
        return parsed
    return ParsedDocument(parsed.text, ICS, parsed.headings, updated_at=parsed.updated_at)


def _write(builder: TextBuilder, item: Any) -> None:
    builder.heading(1, str(item.get("SUMMARY", "")) or f"Unnamed {_KINDS[item.name]}")
    for line in _lines(item):
        builder.line(line)
    builder.block(str(item.get("DESCRIPTION", "")))


def _lines(item: Any) -> Iterator[str]:
    start, end = _moment(item, "DTSTART"), _moment(item, "DTEND") or _moment(item, "DUE")
    if end is None and start is not None and "DURATION" in item:
        length = getattr(item["DURATION"], "dt", None)
        end = start + length if isinstance(length, timedelta) else None
    if start is not None:
        yield f"When: {_span(start, end)}"
    elif end is not None:
        yield f"Due: {_when(end)}"
    rules = item.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules] if rules else []:
        yield f"Repeats: {recurrence(rule)}"
    for name, label in _FIELDS:
        if value := _plain(item.get(name)):
            yield f"{label}: {value}"
    people = item.get("ATTENDEE")
    names = [
        _plain(person) for person in (people if isinstance(people, list) else [people] if people else [])
    ]
    if names:
        yield f"With: {', '.join(names)}"


def _moment(item: Any, name: str) -> date | None:
    value = getattr(item.get(name), "dt", None)
    return value if isinstance(value, date) else None


def _span(start: date, end: date | None) -> str:
    if not isinstance(start, datetime):
        # A whole day ends on the day before the one that is written.
        last = end - timedelta(days=1) if end is not None and not isinstance(end, datetime) else start
        return _when(start) if last <= start else f"{_when(start)} to {_when(last)}"
    if not isinstance(end, datetime):
        return _when(start)
    if end.date() == start.date() and end.tzname() == start.tzname():
        return f"{_day(start)}, {start:%H:%M} to {end:%H:%M}{_zone(start)}"
    return f"{_when(start)} to {_when(end)}"


def _when(moment: date) -> str:
    if isinstance(moment, datetime):
        return f"{_day(moment)}, {moment:%H:%M}{_zone(moment)}"
    return _day(moment)


def _day(moment: date) -> str:
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def _zone(moment: datetime) -> str:
    if moment.tzinfo is None:
        return ""
    name = getattr(moment.tzinfo, "key", None) or moment.tzname() or ""
    return f" ({name})" if name else ""


def recurrence(rule: Mapping[str, Any]) -> str:
    """How a rule repeats, such as `every 2 weeks on Monday and Friday, until 1 May 2026`."""
    count = int(_one(rule, "INTERVAL") or 1)
    unit = _EVERY.get(str(_one(rule, "FREQ") or "").upper(), "time")
    text = f"every {unit}" if count == 1 else f"every {count} {unit}s"
    days = [_weekday(str(day)) for day in _many(rule, "BYDAY")]
    if days:
        text += f" on {_listed(days)}"
    if month_days := [str(day) for day in _many(rule, "BYMONTHDAY")]:
        text += f" on day {_listed(month_days)}"
    until = _one(rule, "UNTIL")
    if isinstance(until, date):
        text += f", until {until.day} {until:%B %Y}"
    if times := _one(rule, "COUNT"):
        text += f", {times} times"
    return text


def _many(rule: Mapping[str, Any], name: str) -> list[Any]:
    value = rule.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def _one(rule: Mapping[str, Any], name: str) -> Any:
    return next(iter(_many(rule, name)), None)


def _weekday(code: str) -> str:
    name = _DAYS.get(code[-2:].upper(), code)
    return f"the {_ORDINALS[code[:-2]]}{name}" if code[:-2] in _ORDINALS else name


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _plain(value: Any) -> str:
    """A value as people write it: a person by name, an address without `mailto:`."""
    if value is None:
        return ""
    address = one_line(str(value))
    if address.lower().startswith("mailto:"):
        address = address[7:]
    name = one_line(str(getattr(value, "params", {}).get("CN", "")))
    return f"{name} <{address}>" if name and name != address else address


def _changed(item: Any) -> datetime | None:
    for name in ("LAST-MODIFIED", "DTSTAMP"):
        moment = _moment(item, name)
        if isinstance(moment, datetime):
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
