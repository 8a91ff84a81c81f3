"""Deaths between two stores, and what the source does before the next run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.identity import AccessList, parse_access
from tests.ingest.any_order.house import House, KilledError
from tests.ingest.any_order.source import Source, register

HR, EVERYONE = parse_access(["group:hr"]), parse_access(["everyone"])


@pytest.fixture
def house(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    source = Source(has_cursor=False, tells_moves=False, tells_access_of_failures=True)
    register(monkeypatch, source)
    made = House(source, sqlite_template)
    source.put("a", (1,), HR)
    made.sync()
    yield made
    made.close()


def access(house: House) -> AccessList:
    return house.access_held(house.rows()["a"].id)


def die_after_the_next_write_to_the_index(house: House) -> None:
    calls = iter((None, KilledError("Now.")))

    def moment() -> None:
        if (error := next(calls)) is not None:
            raise error

    house.index.moment = moment
    with pytest.raises(KilledError):
        house.sync()
    house.index.moment = lambda: None


@pytest.mark.parametrize("readable", [True, False])
def test_access_that_was_opened_and_taken_back_around_a_death_is_taken_back(
    house: House, readable: bool
) -> None:
    house.source.change_access("a", EVERYONE | HR)
    die_after_the_next_write_to_the_index(house)
    assert access(house) == EVERYONE | HR
    house.source.change_access("a", HR)
    house.source.set_readable("a", readable)
    assert house.sync().state == "complete"
    assert access(house) == HR
    house.source.set_readable("a", True)
    embedded = house.embedder.embedded
    house.sync()
    assert access(house) == HR
    assert house.rows()["a"].state == "indexed"
    assert house.embedder.embedded == embedded
