"""Makes a version from start to end: examples, training, the model card, its place; and judges one."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.core.clock import Clock, utc_now
from app.core.errors import InputError, ProviderError
from app.core.identity import Caller, parse_access
from retrieval.passage import Passage
from routing.adapters.adapter import (
    AdapterChoice,
    AdapterVersion,
    ExampleCounts,
    ExampleFilters,
    Judgement,
    Progress,
    Report,
    TrainSettings,
)
from routing.adapters.choice import MayReadAll
from routing.adapters.files import WEIGHTS, base_digest, check_fits, last_part, read_adapter
from routing.adapters.learning.card import Card
from routing.adapters.learning.examples import (
    Collected,
    Collector,
    Example,
    count_by_kind,
    documents_of,
)
from routing.adapters.learning.judging import LEAST_QUESTIONS, compare, score
from routing.adapters.service import BASE, Service
from routing.adapters.shelf import Shelf, check_name, clear_work
from routing.adapters.store import NewVersion, Store
from routing.adapters.tables import AdapterVersionRow
from routing.tier import Tier, TierAnswer, TierRequest

LEAST_EXAMPLES = 40
"""Fewer examples teach a model nothing but themselves."""

_MOST_JUDGED = 200
_AT_ONCE = 4

RungFor = Callable[[str | None], Tier]
"""The local rung with the adapter of this served name for every question, or with the bare base model."""

PeopleOf = Callable[[str], Sequence[Caller]]
"""Everybody of a workspace who may sign in."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What making an adapter needs. `prompt_tokens` is the longest prompt that the server takes, where it
    answers: what is trained on is cut as what will be asked."""

    store: Store
    shelf: Shelf
    service: Service
    collector: Collector
    may_read_all: MayReadAll
    people_of: PeopleOf
    rung_for: RungFor
    prompt_tokens: Callable[[], int | None]
    clock: Clock = utc_now


class OneAdapter:
    """The same adapter for every question, whoever asks: for judging, where nobody reads the answers."""

    def __init__(self, served_name: str | None) -> None:
        self._served_name = served_name

    def choose(self, caller: Caller, passages: Sequence[Passage]) -> AdapterChoice | None:  # noqa: ARG002
        return None if self._served_name is None else AdapterChoice(self._served_name, "judged")

    def restore(self, served_name: str) -> bool:  # noqa: ARG002
        return False


class Making:
    """Trains, takes in and judges versions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def counts(self, workspace_id: str, filters: ExampleFilters) -> ExampleCounts:
        return self._count(workspace_id, self._parts.collector.collect(workspace_id, filters))

    def train(
        self,
        caller: Caller,
        name: str,
        base_dir: Path,
        settings: TrainSettings,
        filters: ExampleFilters,
        report: Report,
    ) -> AdapterVersion:
        """Raises as `Adapters.train`."""
        parts, workspace_id = self._parts, caller.workspace_id
        base_dir = base_dir.expanduser().resolve()
        with parts.shelf.making(workspace_id, check_name(name)) as folder:
            self._take_up(workspace_id, name, folder)
            report(Progress("Collecting examples", 0, 1))
            room = parts.prompt_tokens()
            collected = parts.collector.collect(workspace_id, filters, max_input_tokens=room)
            counts = self._count(workspace_id, collected)
            _require_enough(counts)
            report(Progress("Reading the base model", 0, 1, f"{counts.training} examples"))
            base_sha256 = base_digest(base_dir)
            from routing.adapters.learning.training import train

            trained = train(base_dir, collected.training, settings, folder, report)
            used = [collected.training[i] for i in trained.used]
            counts = self._count(workspace_id, collected, used)
            version = NewVersion(
                version=parts.store.last_version(workspace_id, name) + 1,
                base_model=last_part(str(base_dir)),
                base_sha256=base_sha256,
                rank=settings.rank,
                examples=len(used),
                documents=tuple(sorted(documents_of(used))),
                prompt_id=parts.collector.prompt_id,
                access=None,
                settings={"training": asdict(settings), "filters": _plain(filters)},
                **_of_files(folder, base_dir),
            )
            card = Card(name, version, counts, trained, parts.clock())
            (folder / "README.md").write_text(card.text(), encoding="utf-8")
            return self._put_away(caller, name, folder, version, "trained", card.summary())

    def add(
        self, caller: Caller, name: str, folder: Path, base_dir: Path, access: Sequence[str]
    ) -> AdapterVersion:
        """Raises as `Adapters.add`."""
        if not access:
            raise InputError(
                "Nothing is known of the documents this adapter was trained on, so it would serve nobody. "
                "Say whom it may serve, such as --access everyone or --access group:finance.",
                code="access_unknown",
            )
        named = sorted(str(principal) for principal in parse_access(access))
        with self._parts.shelf.making(caller.workspace_id, check_name(name)) as working:
            self._take_up(caller.workspace_id, name, working)
            shutil.rmtree(working)
            working.mkdir(mode=0o700)
            read_adapter(folder)
            for file in (WEIGHTS, "adapter_config.json"):
                shutil.copyfile(folder / file, working / file)
            base_dir = base_dir.expanduser().resolve()
            version = NewVersion(
                version=self._parts.store.last_version(caller.workspace_id, name) + 1,
                base_model=last_part(str(base_dir)),
                base_sha256=base_digest(base_dir),
                rank=read_adapter(working).rank,
                examples=0,
                documents=(),
                prompt_id="",
                access=tuple(named),
                settings={},
                **_of_files(working, base_dir),
            )
            return self._put_away(caller, name, working, version, "added", f"may serve {', '.join(named)}")

    def judge(
        self,
        row: AdapterVersionRow,
        current: AdapterVersionRow | None,
        done_by: str,
        report: Report,
    ) -> Judgement:
        """Raises as `Adapters.judge`."""
        parts = self._parts
        examples = self._held_out(row)
        against = current if current is not None and current.id != row.id else None
        was_loaded = parts.service.is_loaded(row)
        parts.service.load(row, done_by)
        try:
            if against is not None:
                parts.service.load(against, done_by)
            ours = self._scores(row.served_name, examples, report)
            theirs = self._scores(against.served_name if against else None, examples, report)
        finally:
            if not was_loaded:
                parts.service.unload(row)
        verdict = compare(ours, theirs)
        judgement = Judgement(
            judged_at=parts.clock(),
            questions=verdict.questions,
            score=verdict.score,
            against=against.served_name if against else BASE,
            against_score=verdict.against_score,
            better=verdict.better,
            reason=verdict.reason,
        )
        parts.store.keep_judgement(row, judgement, done_by)
        return judgement

    def _held_out(self, row: AdapterVersionRow) -> Sequence[Example]:
        stored = row.settings.get("filters", {})
        filters = ExampleFilters(bool(stored.get("only_everyone")), stored.get("team"))
        held_out = self._parts.collector.collect(row.workspace_id, filters).held_out
        if len(held_out) < LEAST_QUESTIONS:
            raise InputError(
                f"Judging needs at least {LEAST_QUESTIONS} held-out questions, there are {len(held_out)}. A "
                "fifth of the answers that people mark good, or that the premium model gives to hard "
                "questions, is held out; ask people to rate answers.",
                code="too_few_held_out",
            )
        return held_out[:_MOST_JUDGED]

    def _scores(self, served_name: str | None, examples: Sequence[Example], report: Report) -> list[float]:
        """Each question's score, asked a few at once."""
        found: list[float] = []
        rung = self._parts.rung_for(served_name)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="judge") as pool:
            asked = [pool.submit(_answer, rung, example.request) for example in examples]
            try:
                for done, (example, answer) in enumerate(zip(examples, asked, strict=True), 1):
                    found.append(score(example, answer.result()))
                    report(Progress(f"Asking {served_name or BASE}", done, len(examples)))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found

    def _count(
        self, workspace_id: str, collected: Collected, used: Sequence[Example] | None = None
    ) -> ExampleCounts:
        training = collected.training if used is None else used
        documents = documents_of(training)
        people = self._parts.people_of(workspace_id)
        accepted, premium = count_by_kind(collected.examples)
        return ExampleCounts(
            accepted=accepted,
            premium=premium,
            training=len(training),
            held_out=len(collected.held_out),
            documents=len(documents),
            serves=sum(self._parts.may_read_all(person, documents) for person in people) if documents else 0,
            people=len(people),
            dropped=collected.dropped,
        )

    def _take_up(self, workspace_id: str, name: str, folder: Path) -> None:
        """A process that died after it had named its folder, but before it wrote the version down, left one
        that nobody knows: the work goes on from there."""
        number = self._parts.store.last_version(workspace_id, name) + 1
        left = self._parts.shelf.folder(workspace_id, name, number)
        if left.is_dir():
            shutil.rmtree(folder)
            left.rename(folder)

    def _put_away(
        self, caller: Caller, name: str, folder: Path, version: NewVersion, action: str, detail: str
    ) -> AdapterVersion:
        """Names the folder, writes the version down, then lets go of what only a second start would need."""
        final = self._parts.shelf.folder(caller.workspace_id, name, version.version)
        # The chat server may run as another user; who gets in at all is decided by the folder above.
        folder.chmod(0o755)
        folder.rename(final)
        made = self._parts.store.add(
            caller.workspace_id, name, version, caller.email or caller.name, action, detail
        )
        clear_work(final)
        return made


def _answer(rung: Tier, request: TierRequest) -> TierAnswer:
    for output in rung.answer(request):
        if isinstance(output, TierAnswer):
            return output
    raise ProviderError("The local rung ended without an answer.", code="provider_error")


def _require_enough(counts: ExampleCounts) -> None:
    if counts.training >= LEAST_EXAMPLES:
        return
    left_out = "".join(f" {n} left out: {reason}." for reason, n in counts.dropped)
    raise InputError(
        f"Training needs at least {LEAST_EXAMPLES} examples, there are {counts.training} (and "
        f"{counts.held_out} held out for judging). They come from answers that people mark good, and from "
        f"the premium model's answers to questions that were too hard for the rungs below.{left_out}",
        code="too_few_examples",
    )


def _of_files(folder: Path, base_dir: Path) -> dict[str, Any]:
    """What the table keeps of the files, after a check against the base."""
    files = read_adapter(folder)
    check_fits(files, base_dir)
    return {"size_bytes": files.size_bytes, "sha256": files.sha256}


def _plain(filters: ExampleFilters) -> dict[str, Any]:
    since = filters.since.isoformat() if filters.since else None
    return {"only_everyone": filters.only_everyone, "team": filters.team, "since": since}
