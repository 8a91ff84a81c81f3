import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import (
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    RungError,
)
from app.core.usage import Work
from routing.catalogue.cases import Case, failures_of
from routing.catalogue.files import (
    PromptCard,
    PromptFiles,
    family,
    load_tests,
    problems_of,
)
from routing.catalogue.helpers import HELPERS
from routing.catalogue.prices import ModelPriceBook, NewPrice
from routing.catalogue.prompts import PromptDesk, in_share
from routing.llm.prompt import PROMPTS_DIR, load_prompt
from routing.tables import QueryRow
from routing.tier import Signals, TierAnswer, load_specs
from tests.fakes.openai_server import OpenAiServer
from tests.routing.catalogue.conftest import ADMIN, Company
from tests.routing.world import ANA

ASKED = "How much annual leave does everyone have?"
FILES = PromptFiles(load_specs())


def speaking(company: Company) -> str:
    """The prompt that the next answer is stored with."""
    query_id = company.ask(ASKED)[-1].query_id
    with company.world.database.read() as session:
        row = session.get(QueryRow, query_id)
    assert row is not None and row.prompt_id is not None
    return row.prompt_id


@pytest.mark.parametrize("card", FILES.cards(), ids=lambda card: card.id)
def test_each_shipped_prompt_is_sound_and_has_its_test_set(card: PromptCard) -> None:
    assert card.problems == () and card.cases >= 8


def test_each_rung_that_asks_a_model_has_its_prompt_among_them() -> None:
    ids = {card.id for card in FILES.cards()}
    assert set(FILES.own.values()) <= ids
    assert {family(name) for name in ids} == {"local", "premium", "closed-book", "judge"}


def test_every_prompt_file_is_known_and_has_a_test_set() -> None:
    files = {path.stem for path in PROMPTS_DIR.glob("*.md")}
    assert files == {card.id for card in FILES.cards()}
    assert files == {path.stem for path in PROMPTS_DIR.glob("*.jsonl")}
    assert {helper.own for helper in HELPERS.values()} <= files
    elsewhere = [p for p in PROMPTS_DIR.parents[1].rglob("*.v[0-9]*.md") if p.parent != PROMPTS_DIR]
    assert elsewhere == []


def test_a_served_prompt_speaks_from_the_next_question_on_and_a_rollback_brings_back_the_one_before(
    company: Company,
) -> None:
    desk = company.catalogue.prompts
    assert speaking(company) == "premium.v2"
    desk.serve(ADMIN, "premium.v1")
    assert speaking(company) == "premium.v1"
    company.clock.pass_days(1)
    now = desk.roll_back(ADMIN, "premium")
    assert (now.prompt_id, now.since, now.by) == ("premium.v2", company.clock(), "ana@example.com")
    assert speaking(company) == "premium.v2"
    actions = [(entry.action, entry.prompt_id) for entry in desk.entries("default")]
    assert actions == [("rollback", "premium.v2"), ("serve", "premium.v1")]


def test_another_process_follows_after_a_moment(
    small_company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing.catalogue.prompts._FRESH_SECONDS", -1.0)
    monkeypatch.setattr("routing.catalogue.prices._FRESH_SECONDS", -1.0)
    database, catalogue = small_company.world.database, small_company.catalogue
    elsewhere = PromptDesk(database, FILES)
    prices = ModelPriceBook(database, "EUR", small_company.clock)
    assert elsewhere.prompt_for("premium", "premium.v2", "default", "q") == "premium.v2"
    assert prices.in_force("premium", "openai/fake-large", "EUR") is None
    catalogue.prompts.serve(ADMIN, "premium.v1")
    catalogue.prices.set(ADMIN, NewPrice("premium", "openai/fake-large", "1", "2"))
    assert elsewhere.prompt_for("premium", "premium.v2", "default", "q") == "premium.v1"
    assert prices.in_force("premium", "openai/fake-large", "EUR") is not None


def test_another_workspace_keeps_its_own(small_company: Company) -> None:
    desk = small_company.catalogue.prompts
    desk.serve(ADMIN, "premium.v1")
    assert desk.prompt_for("premium", "premium.v2", "default", "q") == "premium.v1"
    assert desk.prompt_for("premium", "premium.v2", "elsewhere", "q") == "premium.v2"


def test_a_trial_speaks_on_its_share_alone_until_it_is_stopped(small_company: Company) -> None:
    desk = small_company.catalogue.prompts
    desk.share(ADMIN, "premium.v1", 20)
    chosen = [desk.prompt_for("premium", "premium.v2", "default", f"q{n}") for n in range(2000)]
    assert chosen == [desk.prompt_for("premium", "premium.v2", "default", f"q{n}") for n in range(2000)]
    assert 320 <= chosen.count("premium.v1") <= 480
    assert desk.prompt_for("premium", "premium.v2", "default", "") == "premium.v2"
    asked = {speaking(small_company) for _ in range(12)}
    assert asked <= {"premium.v1", "premium.v2"}
    desk.stop(ADMIN, "premium")
    assert {desk.prompt_for("premium", "premium.v2", "default", f"q{n}") for n in range(200)} == {
        "premium.v2"
    }


def test_promoting_what_is_on_trial_ends_the_trial(small_company: Company) -> None:
    desk = small_company.catalogue.prompts
    desk.share(ADMIN, "premium.v1", 10)
    now = desk.serve(ADMIN, "premium.v1")
    assert (now.prompt_id, now.trial_id, now.before) == ("premium.v1", None, ("premium.v2",))


def test_what_cannot_be_done_is_refused_and_changes_nothing(small_company: Company) -> None:
    desk = small_company.catalogue.prompts
    refused: tuple[tuple[Callable[[], object], type[RungError]], ...] = (
        (lambda: desk.serve(ANA, "premium.v1"), ForbiddenError),
        (lambda: desk.share(ANA, "premium.v1", 5), ForbiddenError),
        (lambda: desk.roll_back(ANA, "premium"), ForbiddenError),
        (lambda: desk.stop(ANA, "premium"), ForbiddenError),
        (lambda: desk.serve(ADMIN, "premium.v99"), NotFoundError),
        (lambda: desk.serve(ADMIN, "../../secret"), NotFoundError),
        (lambda: desk.serve(ADMIN, "premium.v1", "local"), InputError),
        (lambda: desk.serve(ADMIN, "judge.v1"), InputError),
        (lambda: desk.share(ADMIN, "closed-book.v1", 5), InputError),
        (lambda: desk.serve(ADMIN, "premium.v2"), ConflictError),
        (lambda: desk.share(ADMIN, "premium.v2", 5), ConflictError),
        (lambda: desk.share(ADMIN, "premium.v1", 0), InputError),
        (lambda: desk.share(ADMIN, "premium.v1", 51), InputError),
        (lambda: desk.stop(ADMIN, "premium"), ConflictError),
        (lambda: desk.roll_back(ADMIN, "premium"), ConflictError),
        (lambda: desk.roll_back(ADMIN, "reader"), InputError),
    )
    for act, error in refused:
        with pytest.raises(error):
            act()
    assert desk.entries("default") == ()


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of prompts with a copy of the shipped ones."""
    for path in PROMPTS_DIR.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("routing.llm.prompt.PROMPTS_DIR", tmp_path)
    load_prompt.cache_clear()
    yield tmp_path
    load_prompt.cache_clear()


def test_a_prompt_without_a_sound_test_set_cannot_be_served(own_folder: Path, small_company: Company) -> None:
    text = (own_folder / "premium.v1.md").read_text()
    (own_folder / "premium.v7.md").write_text(text)
    desk = small_company.catalogue.prompts
    desk.files = PromptFiles(load_specs(), own_folder)
    with pytest.raises(ConfigurationError, match="has no test set"):
        desk.serve(ADMIN, "premium.v7")
    lines = (own_folder / "premium.v1.jsonl").read_text().splitlines()
    (own_folder / "premium.v7.jsonl").write_text("\n".join(lines[:3]))
    with pytest.raises(ConfigurationError, match="3 cases"):
        desk.serve(ADMIN, "premium.v7")
    (own_folder / "premium.v7.jsonl").write_text("\n".join(lines))
    assert desk.serve(ADMIN, "premium.v7").prompt_id == "premium.v7"


def test_a_prompt_in_service_whose_file_is_gone_is_an_error_and_nothing_else_speaks(
    own_folder: Path, small_company: Company, provider: OpenAiServer
) -> None:
    desk = small_company.catalogue.prompts
    desk.serve(ADMIN, "premium.v1")
    (own_folder / "premium.v1.md").unlink()
    load_prompt.cache_clear()
    last = small_company.ask(ASKED)[-1]
    assert getattr(last, "code", None) == "bad_prompt"
    assert provider.requests == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1"),
        ('{"id": "a", "question": "q"}', "not both"),
        ('{"id": "a", "question": "q", "must": [["x"]], "not_found": true}', "not both"),
        ('{"id": "a", "question": "q", "must": [[]]}', "at least one spelling"),
        ('{"id": "a", "question": "q", "must": [["x"]], "more": 1}', "Extra inputs"),
    ],
)
def test_a_line_that_is_no_case_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "premium.v1.jsonl").write_text(line)
    with pytest.raises(ConfigurationError, match=said) as refused:
        load_tests("premium.v1", tmp_path)
    assert refused.value.code == "bad_test_set"


def test_a_test_set_is_told_what_it_lacks(tmp_path: Path) -> None:
    case = {"id": "a", "question": "q", "must": [["42"]], "passages": [{"title": "t", "text": "nothing"}]}
    (tmp_path / "premium.v1.jsonl").write_text("\n".join(json.dumps(case) for _ in range(2)))
    said = "; ".join(problems_of(load_tests("premium.v1", tmp_path)))
    for part in (
        "2 cases",
        "two cases are called a",
        "nothing is found",
        "injected",
        "42, which stands in no",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("family_", "case", "said"),
    [
        ("judge", {"must": [["SAME"]]}, "needs two answers"),
        ("judge", {"must": [["PERHAPS"]], "must_not": ["SAME"]}, "must say one of SAME and DIFFERENT"),
        ("judge", {"must": [["SAME"]], "must_not": ["DIFFERENT"]}, "no case is DIFFERENT"),
        ("judge", {"must": [["SAME"]], "must_not": ["DIFFERENT"]}, "no case has an injected"),
        ("closed-book", {"must": [["x"]]}, "no case tests that nothing is known"),
        ("closed-book", {"must": [["x"]], "passages": [{"title": "t", "text": "x"}]}, "never sent"),
    ],
)
def test_the_test_set_of_a_small_call_is_told_what_it_lacks(
    tmp_path: Path, family_: str, case: dict[str, object], said: str
) -> None:
    (tmp_path / f"{family_}.v1.jsonl").write_text(json.dumps({"id": "a", "question": "q"} | case))
    assert said in "; ".join(problems_of(load_tests(f"{family_}.v1", tmp_path)))


def answer(text: str, *, abstained: bool = False) -> TierAnswer:
    return TierAnswer(text, (), abstained, Signals(), Work("premium", "m", "answered"))


def test_the_rules_of_a_case() -> None:
    case = Case(id="a", question="q", must=(("26", "twenty-six"), ("days",)), must_not=("9999",))
    assert failures_of(case, answer("Twenty-six  DAYS [1].")) == ()
    assert failures_of(case, answer("26 hours [1].")) == ("it does not say days",)
    assert failures_of(case, answer("26 days, or 9999.")) == ("it says 9999",)
    assert failures_of(case, answer("", abstained=True)) == ("nothing was answered",)
    brief = Case(id="c", question="q", must=(("26",),), most_words=2)
    assert failures_of(brief, answer("26 days")) == ()
    assert failures_of(brief, answer("It is 26")) == ("it says more than 2 words",)
    nothing = Case(id="b", question="q", not_found=True)
    assert failures_of(nothing, answer("26", abstained=False)) == ("something was answered",)
    assert failures_of(nothing, answer("", abstained=True)) == ()


@given(st.text(min_size=1), st.text(), st.integers(0, 100), st.integers(0, 100))
def test_a_larger_share_holds_the_smaller_one(query_id: str, prompt_id: str, one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert not in_share(query_id, prompt_id, low) or in_share(query_id, prompt_id, high)
    assert in_share(query_id, prompt_id, 100) and not in_share(query_id, prompt_id, 0)
