"""A table of a real PostgreSQL."""

from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import psycopg

from ingest.connector import Connector
from ingest.connectors.sql import SqlConnector, SqlSettings
from tests.contracts.kits.shared import ITEMS, context, postgres


class SqlKit:
    """Rows with an id of two columns, and one whose text is none."""

    def __init__(self, folder: Path, *, items: int = ITEMS) -> None:
        name = f"t{uuid4().hex}"
        self._table = f"{name}.pages"
        self._forbidden = False
        self._run(f"CREATE SCHEMA {name}")
        self._run(
            f"CREATE TABLE {self._table} (part text, number int, body bytea NOT NULL, "
            "changed timestamptz DEFAULT now(), PRIMARY KEY (part, number))"
        )
        self._run(
            f"INSERT INTO {self._table} SELECT 'part ' || n % 3, n, convert_to('Text of page ' || n, 'UTF8') "
            f"FROM generate_series(0, {items - 1}) AS n"
        )
        self._run(f"INSERT INTO {self._table} VALUES ('part 1', 1000, '\\xff')")

    def _run(self, statement: LiteralString) -> None:
        with psycopg.connect(postgres(), autocommit=True) as connection:
            connection.execute(statement)

    def settings(self) -> SqlSettings:
        return SqlSettings(
            address=postgres(),
            table=self._table,
            id_columns=("part", "number"),
            body_template="{body}",
            updated_column="changed",
        )

    def connector(self) -> Connector:
        made = SqlConnector(self.settings(), context())
        if self._forbidden:
            made._documents.document = _refuse  # type: ignore[method-assign,assignment]
        return made

    def change_one(self) -> str:
        self._run(f"UPDATE {self._table} SET body = 'Changed', changed = now() WHERE number = 2")
        return "part 2/2"

    def remove_one(self) -> str:
        self._run(f"DELETE FROM {self._table} WHERE number = 3")
        return "part 0/3"

    def forbid_reading(self) -> None:
        # The row that is no text is tried again in each pass.
        self._run(f"DELETE FROM {self._table} WHERE number = 1000")
        self._forbidden = True

    def unreadable_id(self) -> str:
        return "part 1/1000"


def _refuse(*_: object) -> None:
    raise AssertionError("an unchanged item was read")
