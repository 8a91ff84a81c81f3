"""The demo company: its files come out the same every time, and its questions fit its documents."""

import datetime as dt
import io
import re
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from app.core.errors import ConflictError, InputError
from app.core.identity import Principal
from app.demo.blocks import parse_blocks, plain, split_front_matter
from app.demo.company import (
    MARKER,
    SOURCES,
    BuildReport,
    DemoQuestion,
    build_documents,
    document_date,
    load_people,
    load_questions,
    load_suggestions,
)
from app.demo.formats import COMPILED_SUFFIXES, compile_source

PEOPLE = {person.email: person for person in load_people()}
QUESTIONS = load_questions()
BY_ID = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.id)
EMAIL = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildReport]:
    target = tmp_path_factory.mktemp("demo") / "documents"
    return target, build_documents(target)


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def source_of(name: str) -> Path:
    """The text that a built file was made from."""
    for suffix in ("", ".md", ".csv"):
        if (path := SOURCES / f"{name}{suffix}").is_file():
            return path
    raise AssertionError(f"no source for {name}")


def text_of(name: str) -> str:
    return plain(split_front_matter(source_of(name).read_text(encoding="utf-8"))[1])


def access_of(name: str) -> set[Principal]:
    """The access list of the nearest folder that has one."""
    for folder in Path(name).parents:
        if (path := SOURCES / folder / ".access.toml").is_file():
            return {Principal.parse(entry) for entry in tomllib.loads(path.read_text("utf-8"))["allow"]}
    raise AssertionError(f"nobody may read {name}")


def principals_of(email: str) -> set[Principal]:
    return {Principal.user(email), Principal("everyone"), *map(Principal.group, PEOPLE[email].groups)}


def may_read(email: str, name: str) -> bool:
    return bool(access_of(name) & principals_of(email))


# --- the builder ---


def test_two_builds_hold_the_same_bytes(built: tuple[Path, BuildReport], tmp_path: Path) -> None:
    build_documents(tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(built[0])


def test_a_second_build_writes_nothing(built: tuple[Path, BuildReport]) -> None:
    target, first = built
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}
    second = build_documents(target)
    assert (second.written, second.removed) == ((), ())
    assert set(second.unchanged) == set(first.written)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_office_files_carry_the_documents_own_date(built: tuple[Path, BuildReport]) -> None:
    """The run's date anywhere inside would change the bytes from one day to the next."""
    checked = 0
    for name, content in files_of(built[0]).items():
        if not name.endswith((".docx", ".pptx", ".xlsx")):
            continue
        written_at = document_date(name, content, source_of(name))
        assert written_at is not None
        with zipfile.ZipFile(io.BytesIO(content)) as container:
            assert {entry.date_time for entry in container.infolist()} == {written_at.timetuple()[:6]}
            core = container.read("docProps/core.xml").decode()
        stamps = re.findall(r"\d{4}-\d{2}-\d{2}(?=T)", core)
        assert stamps
        assert set(stamps) == {written_at.date().isoformat()}, name
        checked += 1
    assert checked > 15


def test_pdf_files_carry_the_documents_own_date(built: tuple[Path, BuildReport]) -> None:
    content = files_of(built[0])["policies/parental-leave-2026.pdf"]
    assert set(re.findall(rb"D:(\d{8})", content)) == {b"20260216"}


def test_changed_stale_and_linked_files_are_put_right(tmp_path: Path) -> None:
    target = tmp_path / "documents"
    build_documents(target)
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (target / "handbook/holiday.md").write_text("changed")
    (target / "policies/holiday.md").unlink()
    (target / "policies/holiday.md").symlink_to(outside)
    (target / "old").mkdir()
    (target / "old/page.md").write_text("stale")
    report = build_documents(target)
    assert report.written == ("policies/holiday.md",)
    assert set(report.removed) == {"handbook/holiday.md", "old/page.md"}
    assert not (target / "old").exists()
    assert outside.read_text() == "mine"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("years of work")
    with pytest.raises(ConflictError) as caught:
        build_documents(tmp_path)
    assert caught.value.code == "demo_target_in_use"
    assert files_of(tmp_path) == {"thesis.md": b"years of work"}


def test_files_are_as_old_as_their_documents(built: tuple[Path, BuildReport]) -> None:
    def day(name: str) -> str:
        return dt.datetime.fromtimestamp((built[0] / name).stat().st_mtime, dt.UTC).isoformat()

    assert day("handbook/onboarding.md") == "2026-02-02T09:00:00+00:00"
    assert day("policies/parental-leave-2023.pdf") == "2023-05-02T09:00:00+00:00"
    assert day("policies/data-retention.html") == "2026-02-10T09:00:00+00:00"
    assert day("engineering/weir-firmware-notes.txt") == "2026-07-21T09:00:00+00:00"
    assert day("operations/stock-2026-09.csv") == "2026-09-01T09:00:00+00:00"
    assert day("mail/2026-07-22-aldermere-firmware.eml") == "2026-07-22T16:35:50+00:00"


def test_every_document_is_dated(built: tuple[Path, BuildReport]) -> None:
    names = [name for name in files_of(built[0]) if not Path(name).name.startswith(".")]
    contents = files_of(built[0])
    assert [name for name in names if document_date(name, contents[name], source_of(name)) is None] == []


@pytest.mark.parametrize("suffix", ["pdf", "docx", "pptx", "xlsx"])
def test_a_source_without_front_matter_is_named(suffix: str) -> None:
    with pytest.raises(InputError, match=rf"plan\.{suffix}.*title, author and an ISO date"):
        compile_source("## Only a body", f"plan.{suffix}")


def test_a_character_that_the_pdf_fonts_lack_is_named() -> None:
    source = "---\ntitle: Plan\nauthor: A\ndate: 2026-01-01\n---\nCosts 5 €"
    with pytest.raises(InputError, match=r"plan\.pdf: .*'€'"):
        compile_source(source, "plan.pdf")


def test_blocks_keep_their_order_and_kind() -> None:
    body = "## Title\nfirst\nline\n- item\n1. step\n\n| a | b |\n|---|---|\n| 1 |  |\n"
    assert [(b.kind, b.text or b.rows) for b in parse_blocks(body)] == [
        ("heading", "Title"),
        ("paragraph", "first line"),
        ("bullet", "item"),
        ("numbered", "step"),
        ("table", (("a", "b"), ("1", ""))),
    ]


def test_marks_do_not_reach_the_binary_formats() -> None:
    source = "---\ntitle: Plan\nauthor: A\ndate: 2026-01-01\n---\nReplaces *Plan 1* with **42 parts**, `KEY`."
    with zipfile.ZipFile(io.BytesIO(compile_source(source, "plan.docx"))) as container:
        body = container.read("word/document.xml").decode()
    assert re.sub("<[^>]+>", "", body).strip().endswith("Replaces Plan 1 with 42 parts, KEY.")
    assert "<w:b/>" in body


# --- the documents ---


def test_formats_are_mixed(built: tuple[Path, BuildReport]) -> None:
    counts = Counter(Path(name).suffix for name in files_of(built[0]) if not name.endswith(MARKER))
    least = Counter(md=50, html=12, pdf=12, docx=10, xlsx=5, pptx=5, eml=12, csv=5, txt=10)
    assert {suffix: counts[f".{suffix}"] for suffix in least if counts[f".{suffix}"] < least[suffix]} == {}


def test_compiled_files_are_what_their_names_say(built: tuple[Path, BuildReport]) -> None:
    for name, content in files_of(built[0]).items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF-"), name
        elif name.endswith((".docx", ".pptx", ".xlsx")):
            assert zipfile.is_zipfile(io.BytesIO(content)), name
        assert not name.endswith(tuple(COMPILED_SUFFIXES)), name


def test_access_files_name_only_known_people_and_groups() -> None:
    known = {Principal("everyone")}.union(*(principals_of(email) for email in PEOPLE))
    paths = list(SOURCES.rglob(".access.toml"))
    assert len(paths) >= 5
    for path in paths:
        settings = tomllib.loads(path.read_text("utf-8"))
        assert settings.keys() == {"allow"}
        assert {Principal.parse(entry) for entry in settings["allow"]} <= known, path


def test_the_restricted_folders_name_two_people_each() -> None:
    for name in ("people/restricted/project-alder.docx", "board/2026-07-16-minutes.pdf"):
        assert [p.kind for p in access_of(name)] == ["user", "user"]


def test_no_address_is_outside_the_reserved_domains() -> None:
    paths = [*SOURCES.rglob("*"), SOURCES.parent / "people.toml", SOURCES.parent / "questions.jsonl"]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    found = {domain for text in texts for domain in EMAIL.findall(text)}
    assert "quillmark.example" in found
    assert {domain for domain in found if not domain.endswith(".example")} == set()


# --- the people and the questions ---


def test_three_people_sign_in_and_see_different_things() -> None:
    three = [person for person in PEOPLE.values() if person.sign_in]
    assert [person.name for person in three] == ["Ana Ferreira", "Tom Okafor", "Mei Lindqvist"]
    assert all(person.sees for person in three)
    papers = ("finance/bank-loan.md", "people/restricted/project-alder.docx")
    assert {person.name: tuple(may_read(person.email, name) for name in papers) for person in three} == {
        "Ana Ferreira": (True, False),
        "Tom Okafor": (False, False),
        "Mei Lindqvist": (False, True),
    }


def test_addresses_are_unique_and_of_the_company() -> None:
    assert len(PEOPLE) == len(load_people())
    assert all(email.endswith("@quillmark.example") for email in PEOPLE)


def test_suggestions_are_questions_whose_documents_everybody_may_see() -> None:
    by_text = {question.question: question for question in QUESTIONS}
    suggestions = load_suggestions()
    assert len(suggestions) == 5
    for suggestion in suggestions:
        documents = by_text[suggestion].documents
        assert documents and all(Principal("everyone") in access_of(name) for name in documents), suggestion


def test_question_kinds_are_all_there() -> None:
    assert len({question.id for question in QUESTIONS}) == len(QUESTIONS) >= 60
    counts = Counter(question.kind for question in QUESTIONS)
    assert counts["unanswerable"] >= 8
    assert counts["multi"] >= 8
    assert min(counts[kind] for kind in ("single", "changed", "conflict", "restricted")) >= 5


@BY_ID
def test_gold_documents_exist_and_hold_the_answer(
    question: DemoQuestion, built: tuple[Path, BuildReport]
) -> None:
    if question.kind == "unanswerable":
        assert (question.answer, question.documents) == ((), ())
        return
    assert question.answer
    assert question.documents
    assert [name for name in question.documents if not (built[0] / name).is_file()] == []
    texts = {name: text_of(name) for name in question.documents}
    for answer in question.answer:
        assert any(answer in text for text in texts.values()), answer
    if question.kind == "multi":
        assert len(texts) >= 2
        return
    for name, text in texts.items():
        assert any(answer in text for answer in question.answer), name


@BY_ID
def test_the_asker_may_read_the_gold_documents(question: DemoQuestion) -> None:
    assert question.as_email in PEOPLE
    assert [name for name in question.documents if not may_read(question.as_email, name)] == []


def test_restricted_questions_are_hidden_from_somebody() -> None:
    for question in QUESTIONS:
        if question.kind == "restricted":
            blind = [email for email in PEOPLE if not any(may_read(email, n) for n in question.documents)]
            assert blind, question.id


def test_the_prompt_injection_is_inside_an_ordinary_mail(built: tuple[Path, BuildReport]) -> None:
    path = built[0] / "mail/2026-06-18-lumenor-led-lead-times.eml"
    text = path.read_text(encoding="utf-8")
    assert "ignore previous instructions" in text
    assert "EUR 44.90 each" in text
