"""Setting sources up: drafts, looks that store nothing, readers that change at once; on both databases."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field, SecretStr
from sqlmodel import select

from app.core.audit import AuditLog
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.errors import ConflictError, InputError, NotFoundError, UnavailableError
from app.core.identity import EVERYONE, NOBODY, AccessList, Principal
from app.core.tables import AuditRow
from ingest import connectors
from ingest.connector import About, Check, ConnectorSettings, Estimate, Finding, ReadContext
from ingest.credentials import Credentials, open_vault
from ingest.parsing import ParserProcess
from ingest.sources import AccessChoice, Schedule, SettingsError, SetUp, Sources
from ingest.sources.alone import alone_with
from ingest.sources.fields import read_written, refuse_other_place, setting_fields, write_plain
from ingest.sources.looking import Looks
from ingest.sources.preview import Previewer
from ingest.sync import SyncEngine
from ingest.sync.control import SyncControl
from ingest.sync.writing.holdings import stored_access
from ingest.tables import CredentialRow, DocumentRow, SourceRow
from tests.fakes.embedder import HashEmbedder
from tests.fakes.index import MemoryIndex
from tests.fakes.points import make_point
from tests.ingest.make_files import pdf

ANA = "ana@example.com"
SECRET = "hunter2-never-shown"
FINANCE, PEOPLE = Principal.group("finance"), Principal.group("people")


class VaultSettings(ConnectorSettings):
    host: str = Field(
        title="Server",
        description="Its name.",
        json_schema_extra={"placeholder": "a.example", "where": True},
    )
    password: SecretStr = Field(title="Password", description="Of the account.")
    token: SecretStr | None = Field(None, title="Token", description="Where it asks for one.")
    port: int = Field(
        993, title="Port", description="Where it listens.", ge=1, le=65535, json_schema_extra={"where": True}
    )
    depth: Literal["one", "all"] = Field("all", title="Depth", json_schema_extra={"advanced": True})
    folders: tuple[str, ...] = Field((), title="Folders", description="One a line.")
    shared: bool = Field(False, title="Shared ones too")


class VaultConnector:
    """Says what it was given, and waits where a test says so."""

    kind: ClassVar[str] = "vault"
    about: ClassVar[About] = About("Vault", "For tests.", "A password.", tells_access=False)
    settings_type: ClassVar[type[ConnectorSettings]] = VaultSettings
    lists_quickly: ClassVar[bool] = True
    given: ClassVar[list[VaultSettings]] = []
    gate: ClassVar[threading.Event] = threading.Event()
    closed: ClassVar[int] = 0

    def __init__(self, settings: VaultSettings, context: ReadContext) -> None:
        self.given.append(settings)
        self._settings, self._context = settings, context

    def check(self) -> Check:
        if self._settings.host == "slow.example":
            self.gate.wait(20)
        if self._settings.host == "refuses.example":
            raise InputError("The server refused the password.", code="sign_in_failed")
        return Check(True, "It answers.", (Finding(True, "Reached."), Finding(True, "Signed in.")))

    def estimate(self) -> Estimate:
        return Estimate(1200, 5_000_000, at_least=True)

    def close(self) -> None:
        type(self).closed += 1


class Kit:
    """The parts around one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.index = database, MemoryIndex()
        self.audit, self.directory = AuditLog(database), Directory(database)
        self.directory.add(ANA, groups=("finance", "people"), is_admin=True)
        credentials = Credentials(database, lambda: open_vault(settings.data_dir, None), self.audit)
        self.credentials = credentials
        self.sources = Sources(database, self.index, credentials=credentials, audit=self.audit)
        self.syncs = SyncControl(database, self.audit)
        self.set_up = SetUp(
            database,
            self.index,
            sources=self.sources,
            credentials=credentials,
            audit=self.audit,
            directory=self.directory,
            syncs=self.syncs,
            looks=Looks(seconds=3.0, most_at_once=2),
            previewer=Previewer(ParserProcess, HashEmbedder),
        )

    def row(self, name: str) -> SourceRow:
        with self.database.read() as session:
            return session.exec(select(SourceRow).where(SourceRow.name == name)).one()

    def folder(self, path: Path, name: str = "handbook") -> None:
        self.set_up.draft("folder", name, {"path": str(path)}, actor=ANA)

    def hold(self, name: str, access: AccessList, document_id: str) -> None:
        """A document of the source, in the database and in the index."""
        names = sorted(map(str, access))
        with self.database.write() as session:
            session.add(
                DocumentRow(
                    id=document_id,
                    workspace_id="default",
                    source_id=self.row(name).id,
                    external_id=document_id,
                    state="indexed",
                    access=names,
                    chunk_count=1,
                    created_at=utc_now(),
                    indexed_at=utc_now(),
                )
            )
        self.index.upsert(
            [make_point(document_id, "Text.", document_id=document_id, workspace_id="default", access=access)]
        )

    def readers(self, document_id: str) -> AccessList:
        """Who may read it: the database and the index say the same."""
        with self.database.read() as session:
            row = stored_access(session.get_one(DocumentRow, document_id).access)
        point = next(p for p in self.index.points.values() if p.document_id == document_id)
        assert row == point.access
        return row


@pytest.fixture
def kit(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    found = connectors.connector_type

    def with_vault(kind: str) -> Any:
        return VaultConnector if kind == "vault" else found(kind)

    for module in ("ingest.connectors", "ingest.sources.setting_up", "ingest.sources.looking"):
        monkeypatch.setattr(f"{module}.connector_type", with_vault)
    monkeypatch.setattr("ingest.credentials.fields.connector_type", with_vault)
    VaultConnector.given.clear()
    VaultConnector.gate.clear()
    yield Kit(database, settings)
    VaultConnector.gate.set()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for number in range(12):
        (folder / f"page-{number:02}.md").write_text(f"# Page {number}\n\nText of page {number}.\n")
    (folder / "film.mov").write_bytes(b"\x00")
    return folder


def vault(**changes: object) -> dict[str, object]:
    return {"host": "a.example", "password": SECRET, **changes}


def test_a_draft_is_listed_and_not_synced(kit: Kit, pages: Path) -> None:
    kit.folder(pages)
    source = kit.sources.get("handbook")
    assert source.is_draft and source.created_by == ANA and source.last_run is None
    with pytest.raises(ConflictError) as refused:
        kit.syncs.start("handbook", actor=ANA)
    assert refused.value.code == "source_not_ready"
    assert [entry.action for entry in kit.audit.about("source", "handbook")] == ["source.added"]


@pytest.mark.parametrize("name", ["", "  ", "a/b", "add", ".", "..", "x" * 64, "a\nb"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(kit: Kit, pages: Path, name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        kit.set_up.draft("folder", name, {"path": str(pages)}, actor=ANA)
    assert set(refused.value.errors) == {"name"}
    assert kit.sources.list() == []


def test_every_field_that_is_wrong_is_named_at_once_and_no_secret_is_repeated(kit: Kit) -> None:
    with pytest.raises(SettingsError) as refused:
        kit.set_up.draft("vault", "", {"password": {"odd": SECRET}, "port": "99999"}, actor=ANA)
    assert set(refused.value.errors) == {"name", "host", "password", "port"}
    assert refused.value.errors["host"] == "Fill this in."
    assert SECRET not in str(refused.value) and refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_a_name_is_given_once(kit: Kit, pages: Path) -> None:
    kit.folder(pages)
    with pytest.raises(SettingsError) as refused:
        kit.folder(pages)
    assert "choose another name" in refused.value.errors["name"]


def test_secrets_are_kept_apart_and_an_empty_one_stays(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(token="t-1"), actor=ANA)
    assert SECRET not in str(kit.row("mail").settings)
    filled = kit.set_up.filled("mail")
    assert set(filled.secrets) == {"password", "token"} and filled.secrets["password"].set_by == ANA
    assert SECRET not in repr(filled)
    kit.set_up.change_settings(
        "mail", {"host": "a.example", "password": "", "depth": "one"}, forget=frozenset({"token"}), actor=ANA
    )
    assert kit.credentials.of(kit.row("mail"), purpose="test", actor=ANA) == {"password": SECRET}
    assert kit.row("mail").settings["depth"] == "one"
    with kit.database.read() as session:
        rows = session.exec(select(AuditRow)).all()
        assert SECRET not in str([row.model_dump() for row in rows])
        assert [row.field for row in session.exec(select(CredentialRow)).all()] == ["password"]


def test_a_secret_is_not_sent_to_another_address(kit: Kit) -> None:
    """Who may change the address could otherwise have a stored password sent to a server of their own."""
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    with pytest.raises(SettingsError) as refused:
        kit.set_up.change_settings("mail", {"host": "evil.example"}, actor=ANA)
    assert refused.value.code == "secret_needed_again" and set(refused.value.errors) == {"password"}
    assert kit.row("mail").settings["host"] == "a.example"
    kit.set_up.change_settings("mail", {"host": "b.example", "password": "new"}, actor=ANA)
    assert kit.row("mail").settings["host"] == "b.example"


def test_a_secret_is_needed_again_for_each_setting_that_says_where_it_goes(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    with pytest.raises(SettingsError) as refused:
        kit.set_up.change_settings("mail", {"host": "a.example", "port": "1993"}, actor=ANA)
    assert refused.value.errors == {"password": "Set it again, because “Port” has changed."}
    # A setting that is younger than the source had its default until now.
    with kit.database.write() as session:
        row = session.get_one(SourceRow, kit.row("mail").id)
        row.settings = {name: value for name, value in row.settings.items() if name != "port"}
    kit.set_up.change_settings("mail", {"host": "a.example", "shared": True}, actor=ANA)
    assert kit.row("mail").settings["port"] == 993


def test_secrets_without_a_marked_place_are_needed_again_for_any_change() -> None:
    class Unmarked(ConnectorSettings):
        url: str = ""
        token: SecretStr = SecretStr("")

    with pytest.raises(SettingsError) as refused:
        refuse_other_place(Unmarked, {"url": "a"}, {"url": "b"}, {"token"})
    assert set(refused.value.errors) == {"token"}
    refuse_other_place(Unmarked, {"url": "a"}, {"url": "a"}, {"token"})


def test_a_draft_is_renamed_and_a_source_that_was_started_is_not(kit: Kit, pages: Path) -> None:
    kit.folder(pages)
    kit.folder(pages, "other")
    settings = {"path": str(pages)}
    renamed = kit.set_up.change_settings("handbook", settings, new_name=" rules ", actor=ANA)
    assert renamed.name == "rules" and renamed.is_draft
    assert {source.name for source in kit.sources.list()} == {"rules", "other"}
    assert kit.audit.about("source", "rules")[-1].details["before"] == "handbook"
    for taken in ("other", "a/b", ""):
        with pytest.raises(SettingsError) as refused:
            kit.set_up.change_settings("rules", {"path": ""}, new_name=taken, actor=ANA)
        assert set(refused.value.errors) == {"name", "path"}
    kit.set_up.choose("rules", AccessChoice("fixed", frozenset({EVERYONE})), Schedule(None), actor=ANA)
    kit.set_up.start("rules", actor=ANA)
    kit.set_up.change_settings("rules", settings, new_name="rules", actor=ANA)
    with pytest.raises(SettingsError) as refused:
        kit.set_up.change_settings("rules", settings, new_name="again", actor=ANA)
    assert "Only a draft" in refused.value.errors["name"]


def test_other_settings_make_the_next_pass_go_over_everything(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    with kit.database.write() as session:
        row = session.get_one(SourceRow, kit.row("mail").id)
        row.cursor = "uid 7"
    kit.set_up.change_settings("mail", {"host": "a.example"}, actor=ANA)
    assert kit.row("mail").cursor == "uid 7"
    kit.set_up.change_settings("mail", {"host": "a.example", "folders": ["INBOX"]}, actor=ANA)
    assert kit.row("mail").cursor == ""


def test_a_check_uses_the_secrets_and_notes_it(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    closed = VaultConnector.closed
    assert kit.set_up.check("mail", actor=ANA).ok
    assert VaultConnector.given[-1].password.get_secret_value() == SECRET
    assert VaultConnector.closed == closed + 1
    used = kit.audit.about("source", "mail")[0]
    assert (used.action, used.details["purpose"], used.actor) == ("credential.used", "check", ANA)


def test_a_refusal_is_a_finding_and_a_slow_source_has_an_end(kit: Kit) -> None:
    kit.set_up.draft("vault", "refuses", vault(host="refuses.example"), actor=ANA)
    check = kit.set_up.check("refuses", actor=ANA)
    assert not check.ok and check.findings[0].what == "The server refused the password."
    kit.set_up.draft("vault", "slow", vault(host="slow.example"), actor=ANA)
    check = kit.set_up.check("slow", actor=ANA)
    assert not check.ok and "did not answer within 3 seconds" in check.message


def test_looks_hold_no_transaction(kit: Kit) -> None:
    """While a slow source is looked at, everybody else can write."""
    kit.set_up.draft("vault", "slow", vault(host="slow.example"), actor=ANA)
    looking = threading.Thread(target=lambda: kit.set_up.check("slow", actor=ANA))
    looking.start()
    try:
        kit.audit.record(ANA, "test.written", "source", "slow")
    finally:
        VaultConnector.gate.set()
        looking.join()
    assert "test.written" in [entry.action for entry in kit.audit.about("source", "slow")]


def test_a_preview_reads_ten_documents_and_stores_none(kit: Kit, pages: Path) -> None:
    kit.folder(pages)
    preview = kit.set_up.preview("handbook", actor=ANA)
    assert [d.title for d in preview.documents] == [f"Page {n}" for n in range(10)]
    assert preview.in_time and not preview.ended
    assert [(f.external_id, f.skipped) for f in preview.failures] == [("film.mov", True)]
    first = preview.documents[0]
    assert first.chunks == 1 and "Text of page 0." in first.text and first.access == NOBODY
    with kit.database.read() as session:
        assert session.exec(select(DocumentRow)).all() == []
    assert kit.index.points == {}


def test_a_preview_says_what_the_sync_will_say_of_a_document(kit: Kit, tmp_path: Path) -> None:
    """Title, author, pages, sections, language and parts come from the rule that indexes."""
    folder = tmp_path / "papers"
    folder.mkdir()
    words = (
        "The notice period of a lease is three months, and it is given in writing to the other side. " * 12
    )
    (folder / "lease.pdf").write_bytes(pdf(words, words, words))
    (folder / "plain.txt").write_text("Short.")
    kit.folder(folder)
    lease, plain = kit.set_up.preview("handbook", actor=ANA).documents
    assert lease.pages == 3 and lease.language == "en"
    assert [place.split(",")[0] for place in lease.places] == ["page 1", "page 2", "page 3"]
    assert (plain.title, plain.pages, plain.places) == ("plain", None, ())

    settings = Settings(_env_file=None, parser_processes=1)
    kit.set_up.choose("handbook", AccessChoice("fixed", frozenset({EVERYONE})), Schedule(None), actor=ANA)
    kit.set_up.start("handbook", actor=ANA)
    SyncEngine(kit.database, kit.index, HashEmbedder(), settings).run("handbook")
    with kit.database.read() as session:
        rows = session.exec(select(DocumentRow).order_by(DocumentRow.external_id)).all()
        told = [(d.external_id, d.title, d.author, d.chunks, d.language) for d in (lease, plain)]
        assert told == [(r.external_id, r.title, r.author, r.chunk_count, r.language) for r in rows]


def test_a_preview_shows_the_access_that_counts(kit: Kit, pages: Path) -> None:
    (pages / ".access.toml").write_text('allow = ["group:people"]\n')
    kit.folder(pages)
    assert kit.set_up.preview("handbook", actor=ANA).documents[0].access == {PEOPLE}
    kit.set_up.choose_access("handbook", AccessChoice("fixed", frozenset({EVERYONE})), actor=ANA)
    assert kit.set_up.preview("handbook", actor=ANA).documents[0].access == {EVERYONE}


def test_a_preview_of_what_is_not_there_says_so(kit: Kit, tmp_path: Path) -> None:
    kit.folder(tmp_path / "nowhere")
    assert not kit.set_up.check("handbook", actor=ANA).ok
    with pytest.raises(UnavailableError) as refused:
        kit.set_up.preview("handbook", actor=ANA)
    assert refused.value.code == "source_unreachable"


def test_an_estimate_says_where_its_pace_comes_from(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    found = kit.set_up.estimate("mail", actor=ANA)
    assert (found.documents, found.at_least, found.size_bytes) == (1200, True, 5_000_000)
    assert not found.measured and found.seconds == 1200 / found.documents_per_second


def test_starting_makes_a_draft_active_once_and_wants_its_first_sync(kit: Kit, pages: Path) -> None:
    kit.folder(pages)
    kit.set_up.choose("handbook", AccessChoice("source"), Schedule(60), actor=ANA)
    run_id = kit.set_up.start("handbook", actor=ANA)
    source = kit.sources.get("handbook")
    assert source.state == "active" and source.next_sync_at is not None and source.every_minutes == 60
    assert source.last_run and (source.last_run.id, source.last_run.state) == (run_id, "queued")
    with pytest.raises(ConflictError) as refused:
        kit.set_up.start("handbook", actor=ANA)
    assert refused.value.code == "source_started"


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        (AccessChoice("fixed", frozenset({Principal.group("mars")})), "unknown_group"),
        (AccessChoice("source", frozenset({FINANCE, Principal.group("mars")})), "unknown_group"),
        (AccessChoice("fixed", NOBODY), "nobody_chosen"),
    ],
)
def test_readers_that_make_no_sense_are_refused(
    kit: Kit, pages: Path, choice: AccessChoice, code: str
) -> None:
    kit.folder(pages)
    with pytest.raises(InputError) as refused:
        kit.set_up.choose("handbook", choice, Schedule(None), actor=ANA)
    assert refused.value.code == code


def test_a_source_that_tells_no_access_cannot_be_asked_for_it(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    with pytest.raises(InputError) as refused:
        kit.set_up.choose_access("mail", AccessChoice("source", frozenset({FINANCE})), actor=ANA)
    assert refused.value.code == "access_not_told"


@pytest.mark.parametrize(
    "schedule", [Schedule(0), Schedule(10**7), Schedule(60, watch=True), Schedule(60, prune_share_max=1.5)]
)
def test_a_schedule_that_makes_no_sense_changes_nothing(kit: Kit, schedule: Schedule) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    with pytest.raises(InputError):
        kit.set_up.choose("mail", AccessChoice("fixed", frozenset({FINANCE})), schedule, actor=ANA)
    assert kit.row("mail").default_access == []


def started(kit: Kit, pages: Path, choice: AccessChoice) -> None:
    kit.folder(pages)
    kit.set_up.choose("handbook", choice, Schedule(None), actor=ANA)
    with kit.database.write() as session:
        session.get_one(SourceRow, kit.row("handbook").id).state = "active"


def test_other_fixed_readers_count_at_once_without_embedding(kit: Kit, pages: Path) -> None:
    started(kit, pages, AccessChoice("fixed", frozenset({EVERYONE})))
    kit.hold("handbook", frozenset({EVERYONE}), "d1")
    kit.hold("handbook", frozenset({PEOPLE}), "d2")
    upserts = kit.index.upserts
    changed = kit.set_up.choose_access("handbook", AccessChoice("fixed", frozenset({FINANCE})), actor=ANA)
    assert changed == 2 and kit.index.upserts == upserts
    assert kit.readers("d1") == kit.readers("d2") == {FINANCE}
    assert kit.sources.get("handbook").last_run is None


def test_a_narrower_default_is_taken_away_at_once_and_a_wider_one_waits(kit: Kit, pages: Path) -> None:
    default = frozenset({FINANCE, PEOPLE})
    started(kit, pages, AccessChoice("source", default))
    kit.hold("handbook", default, "by-default")
    kit.hold("handbook", frozenset({PEOPLE}), "as-the-source-says")
    new = frozenset({FINANCE, EVERYONE})
    kit.set_up.choose_access("handbook", AccessChoice("source", new), actor=ANA)
    assert kit.readers("by-default") == {FINANCE}
    assert kit.readers("as-the-source-says") == {PEOPLE}
    run = kit.sources.get("handbook").last_run
    assert run and run.state == "queued" and kit.row("handbook").cursor == ""


def test_the_same_readers_again_change_nothing(kit: Kit, pages: Path) -> None:
    started(kit, pages, AccessChoice("source", frozenset({FINANCE})))
    assert kit.set_up.choose_access("handbook", AccessChoice("source", frozenset({FINANCE})), actor=ANA) == 0
    assert kit.sources.get("handbook").last_run is None


def test_readers_are_not_changed_beside_a_run_that_does_not_stop(
    kit: Kit, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(kit, pages, AccessChoice("fixed", frozenset({EVERYONE})))
    kit.hold("handbook", frozenset({EVERYONE}), "d1")
    monkeypatch.setattr("ingest.sources.access.WAIT_FOR_RUN_SECONDS", 0.3)
    with (
        alone_with(kit.database, utc_now, "default", "handbook"),
        pytest.raises(ConflictError) as refused,
    ):
        kit.set_up.choose_access("handbook", AccessChoice("fixed", frozenset({FINANCE})), actor=ANA)
    assert refused.value.code == "sync_running"
    assert kit.readers("d1") == {EVERYONE} and kit.row("handbook").state == "active"


def test_removing_takes_chunks_secrets_and_rows_and_is_noted(kit: Kit) -> None:
    kit.set_up.draft("vault", "mail", vault(), actor=ANA)
    kit.hold("mail", frozenset({EVERYONE}), "d1")
    assert kit.set_up.remove("mail", actor=ANA) == 1
    assert kit.index.points == {} and kit.sources.list() == []
    with kit.database.read() as session:
        assert session.exec(select(CredentialRow)).all() == []
        assert session.exec(select(DocumentRow)).all() == []
    last = kit.audit.about("source", "mail")[0]
    assert (last.action, last.actor, last.details["documents"]) == ("source.removed", ANA, 1)
    with pytest.raises(NotFoundError):
        kit.set_up.remove("mail", actor=ANA)


def test_the_form_is_made_from_the_types_and_read_back() -> None:
    fields = {field.name: field for field in setting_fields(VaultSettings)}
    assert {name: field.kind for name, field in fields.items()} == {
        "host": "text",
        "password": "secret",
        "token": "secret",
        "port": "number",
        "depth": "choice",
        "folders": "lines",
        "shared": "yes_no",
    }
    assert fields["host"].required and fields["host"].placeholder == "a.example"
    assert not fields["token"].required and fields["depth"].advanced and fields["port"].default == "993"
    written = {"host": " a.example ", "password": " p ", "port": "", "folders": "a\n\n b \n", "shared": "yes"}
    settings = read_written(list(fields.values()), written)
    assert settings == {"host": "a.example", "password": " p ", "folders": ["a", "b"], "shared": True}
    plain = VaultSettings.model_validate(settings).model_dump(mode="json", exclude={"password", "token"})
    again = write_plain(list(fields.values()), plain)
    assert again == {
        "host": "a.example",
        "port": "993",
        "depth": "all",
        "folders": "a\nb",
        "shared": "yes",
    }


@pytest.mark.parametrize("kind", sorted(connectors.CONNECTORS))
def test_every_connector_gives_a_form_with_a_label_and_help_for_each_field(kind: str) -> None:
    for field in setting_fields(connectors.connector_type(kind).settings_type):
        assert field.label and field.help, f"{kind}.{field.name} has no label or help"
