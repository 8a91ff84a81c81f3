import pytest

from app.core.errors import InputError
from billing.statement import EntryFilter, LedgerEntry, TierUse, receipt_from
from tests.billing.conftest import Books, caller, work


@pytest.fixture
def month(books: Books) -> Books:
    """Ana asks three questions, Bob one; one of Ana's is not answered; Bob has another in progress."""
    books.ask("q1", work(cost_nano=1))
    books.ask("q2", work("reader", "escalated"), work("premium", cost_nano=100))
    books.ask("q3", work("reader", "abstained"))
    books.ask("q4", work(), who=caller("bob"))
    books.reserve("q5", who=caller("bob"))
    return books


def test_a_month_is_summed_by_rung(month: Books) -> None:
    it = month.ledger.summary()
    assert (it.period, it.currency, it.questions, it.answered) == ("2026-11", "EUR", 4, 3)
    assert (it.spent_nano, it.held_nano, it.cost_nano) == (7_000_000, 5_000_000, 101)
    assert it.tiers == (
        TierUse("premium", 1, 1, 5_000_000, 100, 0, 100, 20),
        TierUse("reader", 4, 2, 2_000_000, 1, 8_000_000, 400, 80),
    )
    assert it.cap_nano is None


def test_what_was_not_answered_saved_nobody_anything(month: Books) -> None:
    assert month.ledger.summary().saved_nano == 2 * 4_000_000
    unanswered = month.ledger.receipt("q3")
    assert unanswered is not None and (unanswered.baseline_nano, unanswered.saved_nano) == (0, 0)


def test_a_person_sees_their_own_sums(month: Books) -> None:
    bobs = month.ledger.summary(user_id="bob")
    assert (bobs.questions, bobs.spent_nano, bobs.held_nano) == (1, 1_000_000, 5_000_000)
    nobodys = month.ledger.summary(user_id="eve")
    assert (nobodys.questions, nobodys.spent_nano, nobodys.tiers) == (0, 0, ())


def test_another_month_and_another_workspace_are_empty(month: Books) -> None:
    assert month.ledger.summary("2026-10").questions == 0
    assert month.ledger.summary(workspace_id="acme").spent_nano == 0
    assert month.ledger.entries(workspace_id="acme").entries == ()


def test_pages_join_to_the_whole_without_overlap(month: Books) -> None:
    whole = month.ledger.entries().entries
    assert [entry.seq for entry in whole] == list(range(len(whole), 0, -1))
    joined: list[LedgerEntry] = []
    before = None
    for _ in range(20):
        page = month.ledger.entries(before_seq=before, limit=3)
        assert len(page.entries) <= 3
        joined += page.entries
        before = page.before_seq
        if before is None:
            break
    assert tuple(joined) == whole


def test_entries_are_filtered(month: Books) -> None:
    entries = month.ledger.entries
    assert {e.kind for e in entries(EntryFilter(kind="reserve")).entries} == {"reserve"}
    assert [e.query_id for e in entries(EntryFilter(user_id="bob", kind="commit")).entries] == ["q4"]
    assert len(entries(EntryFilter(query_id="q2")).entries) == 3
    assert entries(EntryFilter(period="2026-12")).entries == ()
    month.ask("shadow:q1", work("premium", "shadow", cost_nano=9))
    commits = [e.query_id for e in entries(EntryFilter(kind="commit")).entries]
    shown = [e.query_id for e in entries(EntryFilter(kind="commit", shown_only=True)).entries]
    assert "shadow:q1" in commits and shown == [name for name in commits if name != "shadow:q1"]
    assert {e.kind for e in entries(EntryFilter(shown_only=True)).entries} == {"reserve", "commit"}


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_size_that_makes_sense(books: Books, limit: int) -> None:
    with pytest.raises(InputError) as refused:
        books.ledger.entries(limit=limit)
    assert refused.value.code == "invalid_limit"


def test_a_receipt_needs_committed_entries(books: Books) -> None:
    from billing.tables import LedgerRow

    with pytest.raises(ValueError, match="commit entries"):
        receipt_from([LedgerRow(seq=1, kind="reserve", query_id="q")])  # type: ignore[call-arg]
