from dataclasses import replace
from datetime import UTC, datetime

import pytest

from routing.citation import SpanCitation, check_citations
from routing.tiers.premium.conflicts import conflict_notes
from routing.updates import CONFLICT_NOTE
from tests.routing.world import passage

OLD, NEW = datetime(2024, 3, 1, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)


def cited(
    one: str, other: str, *, dates: tuple[datetime | None, datetime | None] = (OLD, NEW)
) -> tuple[SpanCitation, ...]:
    passages = [
        replace(passage(text, document_id=f"d{n}", title=f"Policy {n}"), updated_at=date)
        for n, (text, date) in enumerate(zip((one, other), dates, strict=True))
    ]
    return check_citations(f"{one} [1] {other} [2]", passages).citations


def test_the_same_sentence_with_another_number_at_another_date_is_named() -> None:
    (note,) = conflict_notes(
        cited(
            "The hotel limit in Lisbon is 120 euros a night.",
            "The hotel limit in Lisbon is 140 euros a night.",
        )
    )
    assert note == (
        f"{CONFLICT_NOTE}“The hotel limit in Lisbon is 140 euros a night.” (Policy 1, 2026-01-15) against "
        "“The hotel limit in Lisbon is 120 euros a night.” (Policy 0, 2024-03-01)."
    )


def test_the_rival_sentence_may_stand_anywhere_in_the_other_passage() -> None:
    other = "Flights are booked early. From 2026 staff get 30 days of annual leave a year. Ask your lead."
    found = cited("Staff get 28 days of annual leave a year.", other)
    assert len(found) == 2 and len(conflict_notes(found)) == 1


@pytest.mark.parametrize(
    ("one", "other", "dates"),
    [
        ("The hotel limit is 120 euros a night.", "The hotel limit is 120 euros a night.", (OLD, NEW)),
        ("The hotel limit is 120 euros a night.", "The hotel limit is 140 euros a night.", (OLD, OLD)),
        ("The hotel limit is 120 euros a night.", "The hotel limit is 140 euros a night.", (OLD, None)),
        ("The hotel limit in Lisbon is 120 euros.", "The hotel limit in Berlin is 140 euros.", (OLD, NEW)),
        ("Staff get 28 days of leave.", "The hotel limit is 140 euros a night.", (OLD, NEW)),
        ("Version 3", "Version 4", (OLD, NEW)),
    ],
)
def test_what_does_not_contradict_is_not_named(
    one: str, other: str, dates: tuple[datetime | None, datetime | None]
) -> None:
    assert conflict_notes(cited(one, other, dates=dates)) == ()
