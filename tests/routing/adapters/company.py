"""A company with documents, people and past answers, for the tests of adapters, in real tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.core.clock import new_id, utc_now
from app.core.config import Settings
from app.core.db import Database
from app.core.directory import Directory
from app.core.identity import Caller
from ingest.library import Library
from ingest.tables import DocumentRow, SourceRow
from retrieval.passage import Passage
from routing.adapters import Surroundings, build_adapters
from routing.adapters.adapter import AdapterChooser
from routing.adapters.registry import Adapters
from routing.tables import CitationRow, ConversationRow, FeedbackRow, QueryPassageRow, QueryRow
from routing.tier import Tier, TierSpec, load_specs
from routing.tiers import build_ladder
from tests.fakes.reader import WordReader

LEAVE = "Everyone has 28 days of annual leave a year."


@dataclass
class Company:
    """People are added by name, documents by access list; what `asked` writes is what a question leaves."""

    database: Database
    settings: Settings
    kinds: dict[str, str] = field(default_factory=lambda: {"handbook": "folder", "tickets": "jira"})

    def __post_init__(self) -> None:
        self.directory = Directory(self.database)
        self.library = Library(self.database)
        self._source_id = ""

    def adapters(self, settings: Settings | None = None) -> Adapters:
        """As another process would have them: nothing is shared but the database and the folder."""
        around = Surroundings(
            may_read_all=self.library.may_read_all,
            kind_of=lambda _workspace_id, name: self.kinds.get(name),
            caller_of=self.directory.caller_by_id,
            people_of=lambda _workspace_id: [self.directory.caller(p.email) for p in self.directory.list()],
            rung_with=self._rung,
        )
        return build_adapters(settings or self.settings, self.database, around, specs=_brief_specs())

    def _rung(self, spec: TierSpec, chooser: AdapterChooser) -> Tier:
        ladder = build_ladder(self.settings, WordReader(), "EUR", specs=[spec], adapters=chooser)
        return ladder.top

    def person(self, name: str, *groups: str, team: str = "company", admin: bool = False) -> Caller:
        email = f"{name}@example.com"
        if all(p.email != email for p in self.directory.list()):
            self.directory.add(email, groups=groups, team=team, is_admin=admin)
        return self.directory.caller(email)

    @property
    def admin(self) -> Caller:
        return self.person("admin", admin=True)

    def document(self, *access: str) -> str:
        document_id = new_id()
        with self.database.write() as session:
            if not self._source_id:
                self._source_id = new_id()
                session.add(
                    SourceRow(
                        id=self._source_id,
                        workspace_id="default",
                        name=self._source_id,
                        kind="folder",
                        settings={},
                        default_access=[],
                        created_at=utc_now(),
                    )
                )
                session.flush()
            session.add(
                DocumentRow(
                    id=document_id,
                    workspace_id="default",
                    source_id=self._source_id,
                    external_id=document_id,
                    state="indexed",
                    access=list(access),
                    created_at=utc_now(),
                    indexed_at=utc_now(),
                )
            )
        return document_id

    def set_access(self, document_id: str, *access: str) -> None:
        with self.database.write() as session:
            row = session.get(DocumentRow, document_id)
            assert row is not None
            row.access = list(access)

    def delete(self, document_id: str) -> None:
        with self.database.write() as session:
            row = session.get(DocumentRow, document_id)
            session.delete(row)

    def asked(
        self,
        person: Caller,
        question: str,
        answer: str,
        passages: Sequence[Passage],
        *,
        cites: Sequence[int] = (1,),
        good: bool | None = True,
        tier: str = "reader",
        asked_tier: str = "auto",
        escalation_reason: str | None = None,
        escalated_from: str | None = None,
        abstained: bool = False,
        conversation_id: str | None = None,
    ) -> str:
        """Writes a finished question; the nth citation is of the passage with this number, from 1."""
        query_id, now = new_id(), utc_now()
        with self.database.write() as session:
            if conversation_id is None:
                conversation_id = query_id
                session.add(
                    ConversationRow(
                        id=query_id,
                        workspace_id="default",
                        user_id=person.user_id,
                        title=question,
                        created_at=now,
                        updated_at=now,
                    )
                )
                session.flush()
            session.add(
                QueryRow(
                    id=query_id,
                    workspace_id="default",
                    conversation_id=conversation_id,
                    user_id=person.user_id,
                    asked_tier=asked_tier,
                    escalated_from=escalated_from,
                    question=question,
                    search_text=question,
                    state="finished",
                    answer_text=answer,
                    abstained=abstained,
                    tier=tier,
                    route_tier="reader",
                    escalation_reason=escalation_reason,
                    created_at=now,
                    finished_at=now,
                )
            )
            session.flush()
            session.add_all(_passage_rows(query_id, passages))
            session.add_all(_citation_rows(query_id, passages, () if abstained else cites))
            if good is not None:
                session.add(
                    FeedbackRow(
                        query_id=query_id,
                        user_id=person.user_id,
                        workspace_id="default",
                        good=good,
                        created_at=now,
                    )
                )
        return query_id

    def lively(self, person: Caller, documents: Sequence[str], questions: int = 130) -> None:
        """Many accepted answers, all the same, so that a small model can learn to give it."""
        for number in range(questions):
            document = documents[number % len(documents)]
            found = [passage(document, LEAVE), passage(document, "Ask your lead.", start=100)]
            self.asked(person, f"How much leave does site {number} give?", f"{LEAVE} [1]", found)


def passage(document_id: str, text: str, *, start: int = 0, source: str = "handbook") -> Passage:
    return Passage(
        chunk_id=f"{document_id}:{start}",
        document_id=document_id,
        title="Leave",
        heading_path=(),
        text=text,
        start=start,
        end=start + len(text),
        source=source,
        url=None,
        author=None,
        updated_at=None,
        score=1.0,
    )


def _brief_specs() -> tuple[TierSpec, ...]:
    """The ladder with short answers: a random model never ends by itself."""
    return tuple(
        spec.model_copy(update={"chat": spec.chat.model_copy(update={"max_output_tokens": 50})})
        if spec.chat is not None
        else spec
        for spec in load_specs()
    )


def local_settings(settings: Settings, url: str, adapters_dir: Path) -> Settings:
    """Settings with a chat server and a folder for adapters."""
    return settings.model_copy(update={"local_url": url, "local_adapters_dir": adapters_dir})


def _passage_rows(query_id: str, passages: Sequence[Passage]) -> list[QueryPassageRow]:
    return [
        QueryPassageRow(
            query_id=query_id,
            rank=rank,
            workspace_id="default",
            document_id=p.document_id,
            chunk_id=p.chunk_id,
            title=p.title,
            text=p.text,
            start=p.start,
            end=p.end,
            source=p.source,
            score=p.score,
        )
        for rank, p in enumerate(passages)
    ]


def _citation_rows(query_id: str, passages: Sequence[Passage], cites: Sequence[int]) -> list[CitationRow]:
    return [
        CitationRow(
            query_id=query_id,
            n=n,
            workspace_id="default",
            document_id=passages[number - 1].document_id,
            chunk_id=passages[number - 1].chunk_id,
            title="Leave",
            quote=passages[number - 1].text,
            start=passages[number - 1].start,
            end=passages[number - 1].end,
        )
        for n, number in enumerate(cites, 1)
    ]
