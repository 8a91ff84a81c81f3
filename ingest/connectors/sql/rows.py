"""The statements that read a source's rows page by page, each page beginning behind the last row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import InputError
from ingest.connectors.paths import printable, unprintable
from ingest.connectors.sql.database import ReadOnlyDatabase, Row
from ingest.connectors.sql.settings import SqlSettings

_KEY, _UPDATED = "rung_key_", "rung_updated"
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A row with the place where the next page begins behind it."""

    external_id: str
    key: Key
    updated: Any
    row: Row


class Rows:
    """Reads rows in the order of their ids, or of their last change."""

    def __init__(self, settings: SqlSettings, database: ReadOnlyDatabase) -> None:
        self._settings = settings
        self._database = database
        self._source = ""

    def columns(self) -> Sequence[str]:
        """The columns that there are.

        Raises:
            InputError: `column_missing` when the settings name another.
        """
        found = self._database.columns(f"SELECT rung_rows.* FROM {self._from()}")
        missing = [name for name in self._settings.named_columns if name not in found]
        if missing:
            raise InputError(
                f"These columns are not there: {', '.join(missing)}. There are: {', '.join(found)}.",
                code="column_missing",
            )
        return found

    def by_id(self, after: Key = (), *, only_never_updated: bool = False) -> Iterator[Found]:
        """Every row that has an id, from behind a key on."""
        conditions = [self._has_id()]
        if only_never_updated:
            conditions.append(f"{self._column(self._settings.updated_column)} IS NULL")
        return self._pages(conditions, self._ids(), after)

    def since(self, moment: object, after: Key = ()) -> Iterator[Found]:
        """Rows changed at that time or later, oldest first. `after` is the last change and the key."""
        updated = self._column(self._settings.updated_column)
        conditions = [self._has_id(), f"{updated} >= {self._database.parameter('since')}"]
        return self._pages(conditions, [updated, *self._ids()], after, {"since": moment})

    def one(self, external_id: str) -> Found | None:
        """The row of this id."""
        parts = [part.replace("%2F", "/").replace("%25", "%") for part in unprintable(external_id).split("/")]
        if len(parts) != len(self._settings.id_columns):
            return None
        same = [
            f"CAST({column} AS TEXT) = {self._database.parameter(f'id{number}')}"
            for number, column in enumerate(self._ids())
        ]
        values = {f"id{number}": part for number, part in enumerate(parts)}
        found = self._database.rows(f"{self._select()} WHERE {' AND '.join(same)}", values)
        return self._found(found[0]) if found else None

    def newest(self) -> Any:
        """The latest change of all; none where there is none."""
        latest = f"MAX({self._column(self._settings.updated_column)})"
        return self._database.rows(f"SELECT {self._as_key(latest)} AS newest FROM {self._from()}")[0][
            "newest"
        ]

    def without_id(self) -> int:
        """How many rows cannot be named."""
        counted = f"SELECT COUNT(*) AS rows_found FROM {self._from()} WHERE NOT ({self._has_id()})"
        return int(self._database.rows(counted)[0]["rows_found"])

    def count(self, most: int) -> int:
        """How many rows there are, counted up to a number."""
        inner = f"SELECT 1 AS one FROM {self._from()} LIMIT {int(most)}"
        return int(
            self._database.rows(f"SELECT COUNT(*) AS rows_found FROM ({inner}) AS rung_some")[0]["rows_found"]
        )

    def repeated_id(self) -> str | None:
        """An id that several rows have."""
        ids = ", ".join(self._ids())
        found = self._database.rows(
            f"SELECT {self._keys()} FROM {self._from()} WHERE {self._has_id()} "
            f"GROUP BY {ids} HAVING COUNT(*) > 1"
        )
        return _external_id(self._key(found[0])) if found else None

    def _pages(
        self,
        conditions: Sequence[str],
        order: Sequence[str],
        after: Key,
        values: Mapping[str, object] | None = None,
    ) -> Iterator[Found]:
        by_change = len(order) > len(self._settings.id_columns)
        size, last = self._settings.page_size, None
        while True:
            where, given = list(conditions), dict(values or {})
            if after:
                names = [f"after{number}" for number in range(len(order))]
                places = ", ".join(self._database.parameter(name) for name in names)
                where.append(f"({', '.join(order)}) > ({places})")
                given.update(zip(names, after, strict=True))
            page = self._database.rows(
                f"{self._select()} WHERE {' AND '.join(where)} ORDER BY {', '.join(order)}",
                given,
                most=size,
            )
            for row in page:
                found = self._found(row)
                self._not_again(found, last)
                last = found
                yield found
            if len(page) < size or last is None:
                return
            after = (last.updated, *last.key) if by_change else last.key

    def _not_again(self, found: Found, last: Found | None) -> None:
        if last is not None and found.key == last.key and found.updated == last.updated:
            raise InputError(
                f"Several rows have the id {found.external_id}. Name the columns that together are unique.",
                code="id_not_unique",
            )

    def _found(self, row: Row) -> Found:
        key = self._key(row)
        own = {name: value for name, value in row.items() if not name.startswith((_KEY, _UPDATED))}
        return Found(_external_id(key), key, row.get(_UPDATED), own)

    def _key(self, row: Row) -> Key:
        key = tuple(row[f"{_KEY}{number}"] for number in range(len(self._settings.id_columns)))
        if any(isinstance(part, bytes) for part in key):
            raise InputError("An id column holds bytes. Name one with numbers or text.", code="id_not_text")
        return key

    def _select(self) -> str:
        updated = self._settings.updated_column
        parts = ["rung_rows.*", self._keys()]
        if updated:
            parts.append(f"{self._as_key(self._column(updated))} AS {_UPDATED}")
        return f"SELECT {', '.join(parts)} FROM {self._from()}"

    def _keys(self) -> str:
        return ", ".join(f"{self._as_key(c)} AS {_KEY}{number}" for number, c in enumerate(self._ids()))

    def _as_key(self, column: str) -> str:
        """PostgreSQL reads a text back as whatever the column is; SQLite compares values as they are."""
        return column if self._settings.is_sqlite else f"CAST({column} AS TEXT)"

    def _ids(self) -> list[str]:
        return [self._column(name) for name in self._settings.id_columns]

    def _has_id(self) -> str:
        return " AND ".join(f"{column} IS NOT NULL" for column in self._ids())

    def _column(self, name: str) -> str:
        return f"rung_rows.{self._database.literal(self._database.quoted(name))}"

    def _from(self) -> str:
        if not self._source:
            if self._settings.query:
                # On lines of its own, so that a comment at its end ends with it.
                inner = f"(\n{self._database.literal(self._settings.query)}\n)"
            else:
                inner = self._database.literal(
                    ".".join(
                        self._database.quoted(part.strip('"')) for part in self._settings.table.split(".")
                    )
                )
            self._source = f"{inner} AS rung_rows"
        return self._source


def _external_id(key: Key) -> str:
    return printable("/".join(str(part).replace("%", "%25").replace("/", "%2F") for part in key))
