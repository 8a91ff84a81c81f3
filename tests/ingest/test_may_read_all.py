"""Whether a person may read every one of many documents, held against asking for each alone."""

from typing import cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete

from app.core.clock import new_id, utc_now
from app.core.db import Database
from app.core.identity import EVERYONE, PUBLIC, Caller, Principal
from ingest.library import Library
from ingest.tables import DocumentRow, SourceRow

ANA = Caller(
    "default",
    "ana",
    "ana@example.com",
    "Ana",
    "sales",
    frozenset({Principal.user("ana@example.com"), Principal.group("sales"), EVERYONE, PUBLIC}),
)


def put(
    database: Database, *accesses: object, workspace_id: str = "default", indexed: bool = True
) -> list[str]:
    """Writes documents with these access lists as they are stored, whatever they hold."""
    ids = [str(uuid4()) for _ in accesses]
    with database.write() as session:
        source = SourceRow(
            id=new_id(),
            workspace_id=workspace_id,
            name=new_id(),
            kind="folder",
            settings={},
            default_access=[],
            created_at=utc_now(),
        )
        session.add(source)
        session.flush()
        for document_id, access in zip(ids, accesses, strict=True):
            session.add(
                DocumentRow(
                    id=document_id,
                    workspace_id=workspace_id,
                    source_id=source.id,
                    external_id=document_id,
                    state="indexed",
                    access=cast("list[str]", access),
                    created_at=utc_now(),
                    indexed_at=utc_now() if indexed else None,
                )
            )
    return ids


def test_all_of_them_and_nothing_less(database: Database) -> None:
    library = Library(database)
    mine = put(database, ["everyone"], ["group:sales"], ["user:ana@example.com", "group:legal"])
    (theirs,) = put(database, ["group:legal"])
    assert library.may_read_all(ANA, mine)
    assert not library.may_read_all(ANA, [*mine, theirs])


@pytest.mark.parametrize("unknown", ["7a0f6f0e-9b1c-4f7e-8a52-0c5f4f2f9d11", "not an id", ""])
def test_a_document_that_is_gone_or_never_was_is_for_nobody(database: Database, unknown: str) -> None:
    (mine,) = put(database, ["everyone"])
    assert not Library(database).may_read_all(ANA, [mine, unknown])


def test_no_documents_at_all_say_nothing_about_access(database: Database) -> None:
    assert not Library(database).may_read_all(ANA, [])


def test_another_workspace_and_what_was_never_indexed_are_for_nobody(database: Database) -> None:
    library = Library(database)
    assert not library.may_read_all(ANA, put(database, ["everyone"], workspace_id="other"))
    assert not library.may_read_all(ANA, put(database, ["everyone"], indexed=False))


def test_a_change_of_access_counts_at_once(database: Database) -> None:
    library, ids = Library(database), put(database, *[["everyone"]] * 3)
    assert library.may_read_all(ANA, ids)
    with database.write() as session:
        row = session.get(DocumentRow, ids[1])
        assert row is not None
        row.access = ["group:legal"]
    assert not library.may_read_all(ANA, ids)


def test_thousands_of_documents_with_few_access_lists(database: Database) -> None:
    ids = put(database, *([["everyone"], ["group:sales", "group:legal"]] * 6_000))
    library = Library(database)
    assert library.may_read_all(ANA, ids)
    assert not library.may_read_all(ANA, [*ids, *put(database, ["group:legal"])])


ACCESS: st.SearchStrategy[object] = st.one_of(
    st.lists(
        st.sampled_from(["everyone", "group:sales", "group:legal", "user:ana@example.com", "group:", "x"]),
        max_size=3,
    ),
    st.sampled_from([None, {}, "everyone", [1], [None]]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(accesses=st.lists(ACCESS, min_size=1, max_size=6))
def test_it_is_the_same_as_asking_for_each(sqlite_database: Database, accesses: list[object]) -> None:
    with sqlite_database.write() as session:
        session.exec(delete(DocumentRow))
    ids, library = put(sqlite_database, *accesses), Library(sqlite_database)
    assert library.may_read_all(ANA, ids) == all(library.may_read(ANA, d) for d in ids)
