"""The filters of the box: read from a form or an address, written back into both."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form, Query

from app.core.errors import InputError
from retrieval.passage import SearchFilters
from web.present.views import Chip, Option, SearchFormView

_Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a person chose: the name of a source, and two days as they were written."""

    source: str = ""
    after: str = ""
    before: str = ""

    def to_search(self) -> SearchFilters:
        """Raises InputError `invalid_date`."""
        return SearchFilters(
            sources=(self.source,) if self.source else (),
            after=_midnight(self.after, "on or after"),
            before=_midnight(self.before, "before"),
        )

    def query(self) -> str:
        """The filters as the end of an address, or nothing."""
        return urlencode([(name, value) for name, value in self._items() if value])

    def chips(self, path: str, question: str = "") -> tuple[Chip, ...]:
        """One chip a filter, each with the address of the page without it."""
        labels = {"source": "source", "after": "on or after", "before": "before"}
        chosen = [(name, value) for name, value in self._items() if value]
        kept = [("q", question)] if question else []
        return tuple(
            Chip(
                label=f"{labels[name]}: {value}",
                remove_href=_address(path, kept + [item for item in chosen if item[0] != name]),
            )
            for name, value in chosen
        )

    def labels(self) -> tuple[str, ...]:
        return tuple(chip.label for chip in self.chips("/"))

    def _items(self) -> list[tuple[str, str]]:
        return [("source", self.source), ("after", self.after), ("before", self.before)]


def filters_of(filters: SearchFilters) -> Filters:
    """What the box shows for filters it can hold: one source, and whole days."""
    return Filters(
        source=filters.sources[0] if len(filters.sources) == 1 else "",
        after=f"{filters.after:%Y-%m-%d}" if filters.after else "",
        before=f"{filters.before:%Y-%m-%d}" if filters.before else "",
    )


def filter_words(filters: SearchFilters) -> tuple[str, ...]:
    """What a past question was narrowed to, as its chips said it."""
    dates = (("on or after", filters.after), ("before", filters.before))
    return (
        *(f"source: {source}" for source in filters.sources),
        *(f"{label}: {day:%Y-%m-%d}" for label, day in dates if day is not None),
    )


def filters_in_query(source: _Text = "", after: _Text = "", before: _Text = "") -> Filters:
    return Filters(source.strip(), after.strip(), before.strip())


def filters_in_form(
    source: Annotated[str, Form(max_length=200)] = "",
    after: Annotated[str, Form(max_length=200)] = "",
    before: Annotated[str, Form(max_length=200)] = "",
) -> Filters:
    return Filters(source.strip(), after.strip(), before.strip())


def box_view(
    filters: Filters,
    source_names: tuple[str, ...],
    *,
    path: str,
    question: str = "",
    conversation_id: str | None = None,
    error: str | None = None,
) -> SearchFormView:
    """The box as a template shows it; `path` is the page it stands on."""
    return SearchFormView(
        question=question,
        conversation_id=conversation_id,
        sources=tuple(Option(name, name, name == filters.source) for name in source_names),
        after=filters.after,
        before=filters.before,
        chips=filters.chips(path, question),
        error=error,
    )


def _midnight(text: str, label: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    except ValueError as error:
        raise InputError(
            f"{text!r} is no date for “{label}”; write it as 2026-03-31.", code="invalid_date"
        ) from error


def _address(path: str, items: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(items)}" if items else path
