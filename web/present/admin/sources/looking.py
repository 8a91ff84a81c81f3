"""What looks at a source found: a check, a preview, an estimate."""

from datetime import datetime

from app.core.errors import RungError
from ingest.connector import Check
from ingest.sources.estimating import SourceEstimate
from ingest.sources.preview import MOST_DOCUMENTS, Preview, PreviewDocument
from web.present.admin.sources.views import (
    CheckView,
    EstimateView,
    FindingView,
    PreviewDocumentView,
    PreviewView,
)
from web.present.admin.sources.words import (
    access_words,
    count_words,
    duration_words,
    failure_words,
    size_words,
    source_href,
)
from web.present.documents import language_name
from web.present.views import Tone, when


def check_view(check: Check, name: str, *, is_draft: bool) -> CheckView:
    href = source_href(name)
    settings = f"{href}/set-up" if is_draft else f"{href}/settings"
    found = tuple(FindingView(f.ok, f.what, f.remedy) for f in check.findings)
    return CheckView(
        ok=check.ok,
        message=check.message,
        # One that only repeats the message says nothing.
        findings=() if len(found) == 1 and found[0].what == check.message else found,
        settings_href=settings,
        next_href=f"{href}/set-up/preview" if check.ok else None,
    )


def preview_view(preview: Preview, name: str, now: datetime, *, chosen: bool, is_draft: bool) -> PreviewView:
    """
    Args:
        chosen: whether it was chosen who may see what the source says nothing of.
    """
    return PreviewView(
        summary=_summary(preview),
        tone="good" if preview.documents and preview.in_time else "warn",
        documents=tuple(_document(document, now, chosen=chosen) for document in preview.documents),
        failures=tuple((f.external_id, failure_words(f.code)[0], f.reason) for f in preview.failures),
        error="",
        code="",
        next_href=f"{source_href(name)}/set-up/start" if is_draft else None,
    )


def preview_problem(error: RungError) -> PreviewView:
    return PreviewView("", "bad", (), (), error.message, error.code, None)


def _summary(preview: Preview) -> str:
    number = len(preview.documents)
    if not number:
        if preview.ended and not preview.failures:
            return "The source holds no documents. Nothing would be found; check the settings."
        return "None of the first items could be read. See why below."
    if not preview.in_time:
        return f"Only {count_words(number, 'document')} could be read in time: the source is slow."
    if preview.ended and number < MOST_DOCUMENTS:
        return (
            f"{count_words(number, 'document')}, all there are, as they would be indexed. Nothing is stored."
        )
    return f"The first {count_words(number, 'document')} as they would be indexed. Nothing is stored."


def _document(document: PreviewDocument, now: datetime, *, chosen: bool) -> PreviewDocumentView:
    at = when(document.updated_at, now)
    facts = [
        ("Author", document.author or ""),
        ("Changed", at.relative if at else ""),
        ("Language", language_name(document.language) if document.language else ""),
        ("Length", _length(document)),
        ("Cited as", "; ".join(document.places)),
        ("Headings", "; ".join(document.headings)),
        ("Not read", " ".join(note.text for note in document.notes)),
    ]
    access, tone = _access(document, chosen=chosen)
    return PreviewDocumentView(
        title=document.title,
        path=document.url or document.external_id,
        text=document.text,
        facts=tuple((label, text) for label, text in facts if text),
        access=access,
        access_tone=tone,
    )


def _length(document: PreviewDocument) -> str:
    pages = [count_words(document.pages, "page")] if document.pages else []
    return ", ".join([*pages, count_words(document.chunks, "part"), size_words(document.size_bytes)])


def _access(document: PreviewDocument, *, chosen: bool) -> tuple[str, Tone]:
    if document.access:
        return access_words(document.access), "good"
    if chosen:
        return "nobody", "warn"
    return "nobody, or whom you choose next", "quiet"


def estimate_view(estimate: SourceEstimate) -> EstimateView:
    more = "at least " if estimate.at_least else ""
    facts = [
        ("Documents", f"{more}{estimate.documents:,}".replace(",", "\u202f")),
        ("First sync", f"{'over' if estimate.at_least else 'about'} {duration_words(estimate.seconds)}"),
        ("Room in Rung", f"{more}{'' if more else 'about '}{size_words(estimate.space_bytes)}"),
    ]
    if estimate.size_bytes is not None:
        facts.insert(1, ("Size there", size_words(estimate.size_bytes)))
    pace = f"{estimate.documents_per_second:.1f}".removesuffix(".0")
    how = "as earlier syncs here did" if estimate.measured else "a guess: nothing was measured here yet"
    return EstimateView(tuple(facts), f"At {pace} documents a second, {how}. Later syncs read what changed.")


def estimate_problem(error: RungError) -> EstimateView:
    return EstimateView((), "", error.message, error.code)
