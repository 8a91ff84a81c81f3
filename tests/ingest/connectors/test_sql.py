"""The SQL connector against a real PostgreSQL, and SQLite files."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy.engine import URL, make_url

from app.core.errors import InputError
from app.core.identity import EVERYONE, NOBODY, Principal
from ingest.connector import Change, Checkpoint, Delete, Failure, ReadContext, Unchanged, Upsert
from ingest.connectors.sql import SqlConnector, SqlSettings
from ingest.remote import RemoteCalls, SourceWaitError
from tests.ingest.connectors.changes import deletes, end_of, failures, nothing_known, upserts

ONCE = RemoteCalls(tries=1, longest_wait_seconds=1)
Read = Callable[..., SqlConnector]


class Postgres:
    """A database of its own, and a user who may sign in with a password."""

    def __init__(self, address: str) -> None:
        self._name = f"s{uuid4().hex}"
        self.url = make_url(address).set(drivername="postgresql", database=self._name)
        with psycopg.connect(_plain(make_url(address)), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._name}")

    def run(self, *statements: str) -> None:
        with psycopg.connect(_plain(self.url), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    @property
    def address(self) -> str:
        return _plain(self.url)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False).replace(":@", "@")


@pytest.fixture
def postgres(postgres_address: str) -> Postgres:
    found = Postgres(postgres_address)
    found.run(
        "CREATE TABLE articles (id int PRIMARY KEY, subject text, body text, author text, link text, "
        "changed timestamptz, removed timestamptz, readers text[])",
        "INSERT INTO articles SELECT n, 'Subject ' || n, 'Body ' || n, 'Ana', 'a/' || n, "
        "timestamptz '2026-03-04 10:00+00' + n * interval '1 minute', NULL, '{everyone}' "
        "FROM generate_series(1, 10) AS n",
    )
    return found


@pytest.fixture
def reader(postgres: Postgres) -> Iterator[Read]:
    made: list[SqlConnector] = []

    def read(**settings: object) -> SqlConnector:
        given = {
            "address": postgres.address,
            "title_template": "{subject}",
            "body_template": "{subject}\n\n{body}",
            "updated_column": "changed",
            "overlap_minutes": 0,
            **({} if "query" in settings else {"table": "articles"}),
            **settings,
        }
        context = ReadContext(frozenset({EVERYONE}), 1_000, calls=ONCE)
        made.append(SqlConnector(SqlSettings.model_validate(given), context))
        return made[-1]

    yield read
    for connector in made:
        connector.close()


def test_rows_are_documents_by_template(reader: Read) -> None:
    connector = reader(link="https://help.example.com/{link}", author_column="author", body_format="markdown")
    found = upserts(connector.pull("", nothing_known))["3"]
    assert (found.title, found.content, found.author) == ("Subject 3", b"Subject 3\n\nBody 3", "Ana")
    assert found.url == "https://help.example.com/a%2F3" and found.media_type == "text/markdown"
    assert found.updated_at == datetime(2026, 3, 4, 10, 3, tzinfo=UTC)
    assert connector.estimate().documents == 10 and connector.check().ok


def test_query_with_colons_percents_and_a_comment(reader: Read) -> None:
    query = """SELECT id, subject, '100% at 12:30 :x %(y)s; {z}' AS body, changed::timestamptz AS changed
               FROM articles WHERE subject LIKE 'Subj%' AND id % 2 = 0 -- ; the even ones"""
    found = upserts(reader(query=query).pull("", nothing_known))
    assert set(found) == {"2", "4", "6", "8", "10"}
    assert found["2"].content == b"Subject 2\n\n100% at 12:30 :x %(y)s; {z}"


def test_every_column_with_its_name_where_there_is_no_template(reader: Read) -> None:
    found = upserts(reader(body_template="", access_column="readers").pull("", nothing_known))["1"]
    assert (
        b"subject: Subject 1\nbody: Body 1\nauthor: Ana" in found.content and b"everyone" not in found.content
    )


def test_only_what_changed_is_read_again(reader: Read, postgres: Postgres) -> None:
    first = list(reader().pull("", nothing_known))
    known = {name: document.revision for name, document in upserts(first).items()}
    postgres.run(
        "UPDATE articles SET body = 'new', changed = '2026-04-01' WHERE id = 2",
        "INSERT INTO articles VALUES (11, 'Late', 'b', NULL, NULL, '2026-04-02')",
        "INSERT INTO articles VALUES (12, 'Never', 'b', NULL, NULL, NULL)",
    )
    changes = list(reader().pull(end_of(first), known.get))
    assert set(upserts(changes)) == {"2", "11", "12"}
    # The last one of the first pass is looked at again: others may have its time.
    assert [c.external_id for c in changes if isinstance(c, Unchanged)] == ["10"]
    assert set(reader().list_ids()) == {str(number) for number in range(1, 13)}


def test_slow_transaction_is_caught_by_the_overlap(reader: Read, postgres: Postgres) -> None:
    first = list(reader().pull("", nothing_known))
    known = {name: document.revision for name, document in upserts(first).items()}
    postgres.run("INSERT INTO articles VALUES (20, 'Slow', 'b', NULL, NULL, '2026-03-04 10:08:30+00')")
    assert not upserts(reader().pull(end_of(first), known.get))
    assert set(upserts(reader(overlap_minutes=5).pull(end_of(first), known.get))) == {"20"}


@pytest.mark.parametrize("ahead", ["2100-01-01", "infinity"])
def test_date_ahead_hides_nothing_that_comes_before_it(reader: Read, postgres: Postgres, ahead: str) -> None:
    postgres.run(f"UPDATE articles SET changed = '{ahead}' WHERE id = 1")
    first = list(reader().pull("", nothing_known))
    known = {name: document.revision for name, document in upserts(first).items()}
    postgres.run("UPDATE articles SET body = 'new', changed = now() + interval '1 minute' WHERE id = 5")
    assert set(upserts(reader().pull(end_of(first), known.get))) == {"5"}


def test_many_rows_of_one_time_are_all_read_and_resumed(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "INSERT INTO articles SELECT n, 's', 'b', NULL, NULL, '2026-03-05' "
        "FROM generate_series(1001, 1200) AS n"
    )
    first = list(reader(page_size=7).pull("", nothing_known))
    assert len(upserts(first)) == 210
    postgres.run("UPDATE articles SET body = 'c', changed = '2026-03-06' WHERE id > 1000")
    state = end_of(first)
    changes = list(reader(page_size=7).pull(state, nothing_known))
    assert {str(number) for number in range(1001, 1201)} <= set(upserts(changes))
    places = [i for i, c in enumerate(changes) if isinstance(c, Checkpoint)]
    assert len(places) == 5
    for place in places[:-1]:
        checkpoint = changes[place]
        assert isinstance(checkpoint, Checkpoint)
        rest = list(reader(page_size=7).pull(checkpoint.state, nothing_known))
        assert list(upserts(rest)) == list(upserts(changes[place:]))


def test_rows_that_change_while_they_are_read_are_met_by_the_next_pass(
    reader: Read, postgres: Postgres
) -> None:
    connector = reader(page_size=2)
    changes: list[Change] = []
    for change in connector.pull("", nothing_known):
        if not changes:
            postgres.run(
                "UPDATE articles SET body = 'while reading', changed = '2026-03-04 12:00+00' WHERE id = 1"
            )
            postgres.run("DELETE FROM articles WHERE id = 9")
        changes.append(change)
    known = {name: document.revision for name, document in upserts(changes).items()}
    assert set(known) == {"1", "2", "3", "4", "5", "6", "7", "8", "10"}
    again = upserts(reader().pull(end_of(changes), known.get))
    assert again["1"].content == b"Subject 1\n\nwhile reading"


def test_number_that_grows_is_a_cursor_too(reader: Read, postgres: Postgres) -> None:
    postgres.run("ALTER TABLE articles ADD version bigint", "UPDATE articles SET version = id * 9")
    first = list(reader(updated_column="version").pull("", nothing_known))
    assert upserts(first)["3"].updated_at is None
    known = {name: document.revision for name, document in upserts(first).items()}
    postgres.run("UPDATE articles SET body = 'new', version = 100 WHERE id = 1")
    assert set(upserts(reader(updated_column="version").pull(end_of(first), known.get))) == {"1"}


def test_without_a_cursor_every_row_is_compared(reader: Read, postgres: Postgres) -> None:
    first = list(reader(updated_column="").pull("", nothing_known))
    known = {name: document.revision for name, document in upserts(first).items()}
    postgres.run("UPDATE articles SET body = 'new' WHERE id = 4")
    changes = list(reader(updated_column="").pull(end_of(first), known.get))
    assert end_of(first) == "" and set(upserts(changes)) == {"4"} and len(changes) == 11


def test_rows_marked_as_deleted_are_gone(reader: Read, postgres: Postgres) -> None:
    first = list(reader(deleted_column="removed").pull("", nothing_known))
    postgres.run("UPDATE articles SET removed = now(), changed = now() WHERE id = 4")
    connector = reader(deleted_column="removed")
    assert deletes(connector.pull(end_of(first), nothing_known)) == {"4"}
    assert "4" not in set(connector.list_ids()) and connector.fetch("4") == Delete("4")
    postgres.run("ALTER TABLE articles ADD state text", "UPDATE articles SET state = 'Retired' WHERE id < 3")
    retired = reader(deleted_column="state", deleted_value="retired")
    assert deletes(retired.pull("", nothing_known)) == {"1", "2"}


def test_access_is_what_the_row_says_and_else_nobody(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "UPDATE articles SET readers = '{group:finance,user:Ana@Example.com}' WHERE id = 2",
        "UPDATE articles SET readers = '{everyone,nonsense}' WHERE id = 3",
        "UPDATE articles SET readers = NULL WHERE id = 4",
        "UPDATE articles SET readers = '{}' WHERE id = 5",
    )
    found = upserts(reader(access_column="readers").pull("", nothing_known))
    assert found["1"].access == frozenset({EVERYONE})
    assert found["2"].access == frozenset({Principal.group("finance"), Principal.user("ana@example.com")})
    assert all(found[name].access == NOBODY for name in "345")
    texts = (
        "CASE id WHEN 1 THEN 'everyone' WHEN 2 THEN 'group:a, group:b' WHEN 3 THEN '[\"group:c\"]' "
        "ELSE '[1]' END"
    )
    found = upserts(
        reader(query=f"SELECT *, {texts} AS who FROM articles", access_column="who").pull("", nothing_known)
    )
    assert found["2"].access == frozenset({Principal.group("a"), Principal.group("b")})
    assert found["3"].access == frozenset({Principal.group("c")}) and found["4"].access == NOBODY


def test_access_alone_makes_no_new_revision(reader: Read, postgres: Postgres) -> None:
    first = upserts(reader(access_column="readers").pull("", nothing_known))
    postgres.run("UPDATE articles SET readers = '{group:a}' WHERE id = 1")
    known = {name: document.revision for name, document in first.items()}
    changes = list(reader(access_column="readers").pull("", known.get))
    assert changes[0] == Unchanged("1", frozenset({Principal.group("a")})) and not upserts(changes)


def test_values_of_every_kind_are_text(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE kinds (id uuid, n numeric, j jsonb, b bytea, t timestamp, d date, "
        "i interval, yes boolean, a int[])",
        "INSERT INTO kinds VALUES ('00000000-0000-0000-0000-000000000001', 12.50, '{\"ü\": [1]}', 'text', "
        "'2026-01-02 03:04:05', 'infinity', '1 day', true, '{1,2}')",
    )
    body = "{n}|{j}|{b}|{t}|{d}|{i}|{yes}|{a}"
    connector = reader(table="kinds", body_template=body, title_template="", updated_column="t")
    (found,) = upserts(connector.pull("", nothing_known)).values()
    assert found.content.decode() == '12.50|{"ü": [1]}|text|2026-01-02 03:04:05|infinity|1 day|yes|1, 2'
    assert found.external_id == found.title == "00000000-0000-0000-0000-000000000001"
    assert isinstance(connector.fetch(found.external_id), Upsert)


def test_row_that_cannot_be_a_document_is_a_failure(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "UPDATE articles SET body = repeat('x', 2000) WHERE id = 2",
        "ALTER TABLE articles ADD raw bytea",
        "UPDATE articles SET raw = '\\xff' WHERE id = 3",
    )
    found = failures(reader(body_template="{body}{raw}").pull("", nothing_known))
    assert found == {"2": "too_large", "3": "not_text"}
    again = reader(body_template="{body}{raw}").fetch("3")
    assert isinstance(again, Failure) and "raw" in again.reason


def test_ids_of_several_columns_and_odd_letters(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE pages (space text, number int, subject text, body text)",
        "INSERT INTO pages VALUES ('a/b%', 1, 's', 'b'), ('a', 2, 's', 'b'), (E'line\\nend', 3, 's', 'b')",
    )
    connector = reader(table="public.pages", id_columns=("space", "number"), updated_column="", page_size=1)
    assert set(upserts(connector.pull("", nothing_known))) == {"a%2Fb%25/1", "a/2", "line\\nend/3"}
    for name in connector.list_ids():
        assert isinstance(connector.fetch(name), Upsert), name


def test_rows_without_an_id_are_named_and_repeated_ids_refused(reader: Read, postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE loose (id int, subject text, body text)",
        "INSERT INTO loose VALUES (1, 's', 'b'), (NULL, 's', 'b'), (NULL, 's', 'b')",
    )
    connector = reader(table="loose", updated_column="")
    assert failures(connector.pull("", nothing_known)) == {"(rows without an id)": "id_missing"}
    assert set(connector.list_ids()) == {"1", "(rows without an id)"} and connector.check().ok
    postgres.run("INSERT INTO loose VALUES (1, 's', 'b')")
    assert not connector.check().ok
    with pytest.raises(InputError) as error:
        list(connector.pull("", nothing_known))
    assert error.value.code == "id_not_unique"


def _unchecked(connector: SqlConnector, query: str) -> SqlConnector:
    """The connector with a query that its settings would refuse: then the server must."""
    object.__setattr__(connector._settings, "query", query)
    object.__setattr__(connector._settings, "table", "")
    return connector


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("WITH gone AS (DELETE FROM articles RETURNING *) SELECT * FROM gone", "query_refused"),
        ("SELECT *, written() FROM articles", "query_writes"),
        ("SELECT * FROM articles) AS x; DELETE FROM articles; SELECT * FROM (SELECT 1", "query_refused"),
        (
            "SELECT set_config('transaction_read_only', 'off', false) AS id, written() AS subject, 1 body",
            "query_writes",
        ),
        ("SELECT *, nextval('counter') FROM articles", "query_writes"),
        ("SELECT * FROM articles FOR UPDATE", "query_writes"),
    ],
)
def test_server_itself_refuses_to_write(reader: Read, postgres: Postgres, query: str, code: str) -> None:
    postgres.run(
        "CREATE FUNCTION written() RETURNS int LANGUAGE plpgsql AS "
        "$$ BEGIN DELETE FROM articles; RETURN 1; END $$",
        "CREATE SEQUENCE counter",
    )
    with pytest.raises(InputError) as error:
        list(_unchecked(reader(updated_column=""), query).pull("", nothing_known))
    assert error.value.code == code
    assert reader().estimate().documents == 10


def test_query_that_takes_too_long_is_ended_by_the_server(reader: Read) -> None:
    connector = reader(query="SELECT *, pg_sleep(30) FROM articles", statement_timeout_seconds=1)
    with pytest.raises(InputError) as error:
        list(connector.pull("", nothing_known))
    assert error.value.code == "query_too_slow"


def test_missing_right_comes_with_the_statement_to_run(reader: Read, postgres: Postgres) -> None:
    user = f"u{uuid4().hex}"
    postgres.run(f"CREATE USER {user} PASSWORD 'pa55word'")
    address = _plain(postgres.url.set(username=user))
    found = reader(address=address, password=SecretStr("pa55word")).check()
    assert not found.ok and f'GRANT SELECT ON articles TO "{user}";' in found.message
    assert "pa55word" not in repr(found)


def test_columns_and_tables_that_are_not_there(reader: Read) -> None:
    found = reader(body_template="{text}").check()
    assert not found.ok and "text" in found.message and "subject" in found.message
    for settings, code in (
        ({"table": "nothing"}, "table_missing"),
        ({"query": "SELECT nothing FROM articles"}, "column_missing"),
        ({"query": "SELECT FROM WHERE"}, "query_refused"),
    ):
        with pytest.raises(InputError) as error:
            list(reader(**settings).pull("", nothing_known))
        assert error.value.code == code


def test_database_that_is_missing_or_away(reader: Read, postgres: Postgres) -> None:
    missing = _plain(postgres.url.set(database="nothing"))
    with pytest.raises(InputError) as error:
        list(reader(address=missing).list_ids())
    assert error.value.code == "database_missing"
    with pytest.raises(SourceWaitError) as waiting:
        list(reader(address="postgresql://x@127.0.0.1:9/y", password=SecretStr("pa55word")).list_ids())
    assert waiting.value.code == "source_unreachable" and "pa55word" not in waiting.value.message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop ü.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, changed TEXT);"
            "INSERT INTO notes VALUES (2, 'two', '2026-01-01 10:00:00'), (10, 'ten', '2026-01-01 11:00:00');"
        )
    connection.close()
    return path


def test_sqlite_file_is_read_in_the_order_of_its_numbers(file: Path) -> None:
    settings = {"address": f"sqlite:///{file}", "table": "notes", "body_template": "{body}", "page_size": 1}
    context = ReadContext(frozenset({EVERYONE}), 1_000, calls=ONCE)
    connector = SqlConnector(SqlSettings.model_validate(settings | {"updated_column": "changed"}), context)
    first = list(connector.pull("", nothing_known))
    assert list(upserts(first)) == ["2", "10"] and connector.check().ok
    with sqlite3.connect(file) as writing:
        writing.execute("INSERT INTO notes VALUES (3, 'three', '2026-01-01 10:55:00')")
    writing.close()
    assert set(upserts(connector.pull(end_of(first), nothing_known))) == {"3", "10"}
    assert isinstance(connector.fetch("3"), Upsert) and connector.fetch("4") == Delete("4")
    connector.close()


def test_sqlite_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    context = ReadContext(frozenset({EVERYONE}), 1_000, calls=ONCE)
    path = tmp_path / "none.db"
    found = SqlConnector(SqlSettings(address=f"sqlite:///{path}", table="notes"), context).check()
    assert not found.ok and "cannot be opened" in found.message and not path.exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"address": "postgresql://ana:pa55word@db/shop"},
        {"address": "mysql://ana@db/shop"},
        {"address": "postgresql://db"},
        {"address": "postgresql://db/shop?options=-c%20default_transaction_read_only=off"},
        {"address": "postgresql://db/shop?passfile=/etc/passwd"},
        {"address": "sqlite:///shop.db"},
        {"address": "nonsense"},
        {"table": ""},
        {"query": "SELECT 1"},
        {"body_template": "{body.__class__}"},
        {"body_template": "{body!r}"},
        {"body_template": "{0[x]}"},
        {"body_template": "{body:>100000000}"},
        {"body_template": "{"},
        {"link": "javascript:{id}"},
        {"id_columns": ("",)},
    ],
)
def test_settings_that_cannot_be_used(bad: dict[str, object]) -> None:
    good = {"address": "postgresql://db/shop", "table": "notes"}
    SqlSettings.model_validate(good)
    with pytest.raises(ValidationError) as error:
        SqlSettings.model_validate(good | bad)
    assert "pa55word" not in error.value.errors()[0]["msg"]
