"""What becomes an example, with which documents, and what is left out."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import utc_now
from routing.adapters.adapter import ExampleFilters
from routing.adapters.learning.examples import (
    DOES_NOT_FIT,
    ERASED,
    GONE,
    NOT_EVERYONE,
    REPEATED,
    UNSUPPORTED,
    Collected,
    Collector,
    Example,
    is_held_out,
    rungs,
)
from routing.adapters.learning.past import Past
from routing.tables import QueryRow
from routing.tier import load_specs
from routing.tiers.reader import NOTHING_FOUND
from tests.routing.adapters.company import LEAVE, Company, passage

QUESTION = "How much leave is there?"


def collect(company: Company, filters: ExampleFilters | None = None) -> Collected:
    collector = Collector(
        Past(company.database),
        rungs=rungs(load_specs()),
        caller_of=company.directory.caller_by_id,
        may_read_all=company.library.may_read_all,
    )
    return collector.collect("default", filters or ExampleFilters())


def only(company: Company, filters: ExampleFilters | None = None) -> Example:
    (example,) = collect(company, filters).examples
    return example


def test_an_accepted_answer_is_an_example_of_what_the_local_rung_would_be_sent(company: Company) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    company.asked(ana, QUESTION, f"{LEAVE} [1]", [passage(document, LEAVE)])
    example = only(company)
    assert example.kind == "accepted"
    assert [m.role for m in example.messages] == ["system", "user"]
    assert LEAVE in example.messages[1].content and QUESTION in example.messages[1].content
    assert example.answer == f"{LEAVE} [1]"
    assert example.documents == {document}


@pytest.mark.parametrize(
    ("tier", "good", "asked_tier", "reason", "becomes"),
    [
        ("reader", True, "auto", None, "accepted"),
        ("reader", None, "auto", None, None),
        ("reader", False, "auto", None, None),
        ("premium", None, "auto", "too hard", "premium"),
        ("premium", None, "premium", None, "premium"),
        ("premium", True, "auto", "too hard", "accepted"),
        ("premium", False, "auto", "too hard", None),
        ("premium", None, "auto", None, None),
    ],
)
def test_which_answers_are_learned_from(
    company: Company, tier: str, good: bool | None, asked_tier: str, reason: str | None, becomes: str | None
) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    company.asked(
        ana,
        QUESTION,
        f"{LEAVE} [1]",
        [passage(document, LEAVE)],
        tier=tier,
        good=good,
        asked_tier=asked_tier,
        escalation_reason=reason,
    )
    assert [e.kind for e in collect(company).examples] == ([becomes] if becomes else [])


def test_marks_are_renumbered_to_the_prompts_passages_and_an_unsupported_end_is_cut(
    small_company: Company,
) -> None:
    ana, document = small_company.person("ana"), small_company.document("everyone")
    found = [passage(document, f"Fact {n}.", start=100 * n) for n in range(4)]
    small_company.asked(ana, QUESTION, "Third [1]. First [2][1]. And so on.", found, cites=(4, 1))
    assert only(small_company).answer == "Third [4]. First [1][4]."


def test_an_answer_whose_passage_does_not_fit_is_left_out(small_company: Company) -> None:
    ana, document = small_company.person("ana"), small_company.document("everyone")
    found = [passage(document, f"Fact {n}.", start=100 * n) for n in range(12)]
    small_company.asked(ana, QUESTION, "Twelfth [1].", found, cites=(12,))
    assert collect(small_company).dropped == ((DOES_NOT_FIT, 1),)


def test_not_found_is_learned_only_where_the_premium_model_said_so(small_company: Company) -> None:
    ana, document = small_company.person("ana"), small_company.document("everyone")
    found = [passage(document, LEAVE)]

    def abstain(question: str, text: str) -> None:
        small_company.asked(
            ana, question, text, found, abstained=True, tier="premium", good=None, escalation_reason="hard"
        )

    abstain("Who is the king?", NOTHING_FOUND)
    abstain("Who is the queen?", "It was not supported.")
    assert only(small_company).answer == "NOT FOUND"
    assert collect(small_company).dropped == ((UNSUPPORTED, 1),)


def test_of_the_same_question_the_newest_answer_counts(company: Company) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    for answer in ("Old [1].", "Newer [1].", "Newest [1]."):
        company.asked(ana, QUESTION, answer, [passage(document, LEAVE)])
    company.asked(ana, "  how MUCH leave is there", "Spelt otherwise [1].", [passage(document, LEAVE)])
    assert only(company).answer == "Spelt otherwise [1]."
    assert collect(company).dropped == ((REPEATED, 3),)


def test_a_document_that_is_gone_or_that_its_asker_may_not_read_any_more_takes_the_example_along(
    company: Company,
) -> None:
    ana = company.person("ana", "sales")
    gone, closed, open_ = (
        company.document("everyone"),
        company.document("group:sales"),
        company.document("everyone"),
    )
    for number, document in enumerate((gone, closed, open_)):
        company.asked(ana, f"Question {number} about leave?", f"{LEAVE} [1]", [passage(document, LEAVE)])
    assert len(collect(company).examples) == 3
    company.delete(gone)
    company.set_access(closed, "group:legal")
    assert only(company).documents == {open_}
    assert collect(company).dropped == ((GONE, 2),)


def test_a_person_who_is_gone_leaves_no_examples(small_company: Company) -> None:
    ana, document = small_company.person("ana"), small_company.document("everyone")
    small_company.asked(ana, QUESTION, f"{LEAVE} [1]", [passage(document, LEAVE)])
    small_company.directory.disable("ana@example.com")
    assert collect(small_company).dropped == ((GONE, 1),)


def test_an_erased_question_is_no_example(small_company: Company) -> None:
    ana, document = small_company.person("ana"), small_company.document("everyone")
    query_id = small_company.asked(ana, QUESTION, f"{LEAVE} [1]", [passage(document, LEAVE)])
    with small_company.database.write() as session:
        row = session.get(QueryRow, query_id)
        assert row is not None
        row.question, row.search_text = "", ""
    assert collect(small_company).dropped == ((ERASED, 1),)


def test_whatever_any_rung_could_read_counts_as_a_document_of_the_example(small_company: Company) -> None:
    """The premium model read eight passages; that only five fit into the local prompt hides none of them."""
    ana = small_company.person("ana")
    documents = [small_company.document("everyone") for _ in range(10)]
    found = [passage(document, LEAVE) for document in documents]
    small_company.asked(ana, QUESTION, f"{LEAVE} [1]", found)
    example = only(small_company)
    assert len(example.prompt.passages) == 5
    assert example.documents == set(documents[:8])


def test_a_follow_up_carries_the_documents_of_what_was_said_before(small_company: Company) -> None:
    ana = small_company.person("ana", "sales")
    first, second = small_company.document("group:sales"), small_company.document("everyone")
    begun = small_company.asked(
        ana, "What is the secret limit?", "It is 12. [1]", [passage(first, "It is 12.")], good=None
    )
    small_company.asked(ana, "And in Porto?", f"{LEAVE} [1]", [passage(second, LEAVE)], conversation_id=begun)
    example = only(small_company)
    assert [m.content for m in example.messages[1:3]] == ["What is the secret limit?", "It is 12."]
    assert example.documents == {first, second}


def test_filters(company: Company) -> None:
    ana, ben = company.person("ana", "sales", team="sales"), company.person("ben", team="legal")
    open_, closed = company.document("everyone"), company.document("group:sales")
    company.asked(ana, "One question of leave?", f"{LEAVE} [1]", [passage(open_, LEAVE)])
    company.asked(ana, "Two questions of leave?", f"{LEAVE} [1]", [passage(closed, LEAVE)])
    company.asked(ben, "Three questions of leave?", f"{LEAVE} [1]", [passage(open_, LEAVE)])
    assert len(collect(company).examples) == 3
    everyone = collect(company, ExampleFilters(only_everyone=True))
    assert {d for e in everyone.examples for d in e.documents} == {open_}
    assert everyone.dropped == ((NOT_EVERYONE, 1),)
    assert len(collect(company, ExampleFilters(team="legal")).examples) == 1
    assert collect(company, ExampleFilters(since=utc_now() + timedelta(days=1))).examples == ()


def test_another_workspace_has_its_own(company: Company) -> None:
    ana, document = company.person("ana"), company.document("everyone")
    company.asked(ana, QUESTION, f"{LEAVE} [1]", [passage(document, LEAVE)])
    collector = Collector(
        Past(company.database),
        rungs=rungs(load_specs()),
        caller_of=company.directory.caller_by_id,
        may_read_all=company.library.may_read_all,
    )
    assert collector.collect("other", ExampleFilters()).examples == ()


def test_the_counts_say_whom_an_adapter_could_serve_and_show_no_text(company: Company) -> None:
    ana = company.person("ana", "sales")
    company.person("ben")
    open_, closed = company.document("everyone"), company.document("group:sales")
    for number in range(10):
        document = closed if number % 2 else open_
        company.asked(ana, f"Question {number} of leave?", f"{LEAVE} [1]", [passage(document, LEAVE)])
    counts = company.adapters().example_counts("default")
    assert (counts.training + counts.held_out, counts.accepted, counts.premium) == (10, 10, 0)
    assert (counts.serves, counts.people, counts.documents) == (1, 2, 2)
    assert company.adapters().example_counts("default", ExampleFilters(only_everyone=True)).serves == 2


@given(st.text(min_size=1), st.sampled_from([str.upper, str.strip, lambda q: f"  {q} ?", lambda q: q + "!"]))
def test_a_question_is_held_out_however_it_is_spelt(question: str, spelt: object) -> None:
    assert callable(spelt)
    once = question.lower()
    if once.upper().lower() == once:  # some letters have no upper case of their own
        assert is_held_out(once) == is_held_out(spelt(once))


def test_about_a_fifth_is_held_out() -> None:
    questions: Sequence[str] = [f"What is rule {n}?" for n in range(2_000)]
    assert 320 < sum(map(is_held_out, questions)) < 480
