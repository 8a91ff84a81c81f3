"""An admin's query, before a database sees it."""

import pytest

from ingest.connectors.sql.moments import before
from ingest.connectors.sql.statement import single_select


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "  select ';' as a, \"x;y\" -- ; not here\n from t;  ",
        "WITH a AS (SELECT 1) SELECT * FROM a /* ; /* nested ; */ */ ;",
        "SELECT $$a;b('$$, $x$ ; $x$, 'it''s (' FROM t",
        "SELECT (1), f(g(2)) FROM t; -- done;",
    ],
)
def test_one_select_is_taken(query: str) -> None:
    taken = single_select(query)
    assert single_select(taken) == taken and not taken.rstrip().endswith(";")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM t",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; -- x\n SELECT 2",
        "SELECT 1) AS x; DROP TABLE t; --",
        "SELECT 1) AS x CROSS JOIN (SELECT 2",
        "SELECT 'open",
        'SELECT "open',
        "SELECT 1 /* open",
        "/* SELECT */ UPDATE t SET a = 1",
        "selection from t",
        "COPY t TO PROGRAM 'x'",
        ";",
    ],
)
def test_anything_else_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        single_select(query)


@pytest.mark.parametrize(
    ("value", "earlier"),
    [
        ("2026-03-04 10:00:00+00", "2026-03-04 09:50:00+00:00"),
        ("2026-03-04 12:00:00.5+02", "2026-03-04 09:50:00+00:00"),
        ("2026-03-04T10:00:00Z", "2026-03-04T09:50:00Z"),
        ("2026-03-04 00:05:00", "2026-03-03 23:55:00"),
        ("2026-03-04", "2026-03-03"),
        ("100", "100"),
        (100, 100),
        ("2026030410", "2026030410"),
        (None, None),
    ],
)
def test_earlier_moment_keeps_its_shape(value: object, earlier: object) -> None:
    assert before(value, 10) == earlier
