"""What a button would take away or cost, before it does."""

from app.core.errors import RungError
from ingest.sources import Source
from web.present.admin.sources.words import count_words, source_href
from web.present.admin.views import ConfirmView

_OF_DRAFT = ("Its settings and secrets are removed. Nothing was indexed of it.",)


def confirm_delete(source: Source, error: RungError | None = None) -> ConfirmView:
    documents = count_words(source.documents, "document")
    changes = [
        f"{documents} in {count_words(source.chunks, 'part')} leave the index at once and are no "
        "longer found.",
        "Its settings, secrets, schedule, runs and failures are removed.",
        "Answers that were given stay in the history, without the text of documents that are gone.",
        "Nothing is changed at the source itself. That it was deleted, when and by whom, stays noted.",
    ]
    if source.syncing:
        changes.insert(0, "It is being synced now: the run is stopped first.")
    back = "/sources" if source.is_draft else source_href(source.name)
    return ConfirmView(
        title=f"Delete {source.name}?",
        changes=tuple(changes if not source.is_draft else _OF_DRAFT),
        button=f"Delete {source.name}",
        action=f"{source_href(source.name)}/delete",
        back_href=back,
        error=error.message if error else None,
        code=error.code if error else "",
    )


def confirm_removal(source: Source) -> ConfirmView:
    run = source.last_run
    number = run.to_remove if run is not None and run.code == "removal_needs_confirmation" else 0
    documents = count_words(number, "document")
    return ConfirmView(
        title=f"Remove {documents} of {source.name}?",
        changes=(
            f"The source no longer lists {documents} of the {source.documents:,} that are held.",
            "The next sync removes from Rung what the source does not list then. It begins at once.",
            "This holds for one sync. Nothing is changed at the source.",
        ),
        button=f"Remove {documents}",
        action=f"{source_href(source.name)}/confirm-removal",
        back_href=source_href(source.name),
        refusal=None if number else "Nothing waits to be removed.",
    )


def confirm_reindex(source: Source) -> ConfirmView:
    return ConfirmView(
        title=f"Index {source.name} anew?",
        changes=(
            f"All {count_words(source.documents, 'document')} are read from the source, parsed and compared "
            "again.",
            "That takes as long as the first sync did. Until then what is indexed now can be found.",
            "It mends an index that was damaged; otherwise a sync is enough.",
        ),
        button="Index it anew",
        action=f"{source_href(source.name)}/reindex",
        back_href=source_href(source.name),
    )
