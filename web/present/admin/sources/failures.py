"""What of a source could not be taken in: by cause, and all of one cause page by page."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from ingest.sync.control import FailureGroup
from ingest.sync.records.runs import FailureNote
from web.present.admin.sources.views import FailureGroupView, FailureItemView, FailureListView
from web.present.admin.sources.words import failure_words, source_href

A_PAGE = 50


def failure_views(name: str, groups: Sequence[FailureGroup]) -> tuple[FailureGroupView, ...]:
    return tuple(_group(name, g.code, g.latest, g.count, skipped=g.skipped) for g in groups)


def failure_list(
    name: str, code: str, notes: Sequence[FailureNote], count: int, *, number: int, filter_text: str
) -> FailureListView:
    """
    Args:
        number: of the page, from 1.
    """
    href = _href(name, code)
    first = (number - 1) * A_PAGE

    def page(wanted: int) -> str:
        asked = {"page": str(wanted), **({"q": filter_text} if filter_text else {})}
        return f"{href}?{urlencode(asked)}"

    skipped = bool(notes) and all(note.skipped for note in notes)
    return FailureListView(
        href=href,
        back_href=source_href(name),
        retry_href=f"{source_href(name)}/retry",
        group=_group(name, code, notes, count, skipped=skipped),
        filter_text=filter_text,
        first=first + 1 if notes else 0,
        last=first + len(notes),
        count=count,
        previous_href=page(number - 1) if number > 1 else None,
        next_href=page(number + 1) if first + len(notes) < count else None,
    )


def _href(name: str, code: str) -> str:
    return f"{source_href(name)}/failures/{quote(code, safe='')}"


def _group(
    name: str, code: str, notes: Sequence[FailureNote], count: int, *, skipped: bool
) -> FailureGroupView:
    title, advice = failure_words(code)
    return FailureGroupView(
        code=code,
        title=title,
        advice=advice,
        count=count,
        skipped=skipped,
        items=tuple(FailureItemView(n.external_id, n.reason, n.external_id) for n in notes),
        more=max(0, count - len(notes)),
        all_href=_href(name, code),
    )
