"""What the reader rung shows for questions with known answers, and whether it is right: labels for the
difficulty.

The product's own search and rung answer each question over its set's corpus. An answer is right when a
shown sentence holds a gold answer; where the passages are known not to answer, only saying nothing is. Each
answer is kept in a file as soon as it is there, so that a run that was stopped goes on, and a second one
reads nothing again.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from app.core.config import Settings
from app.core.identity import EVERYONE, PUBLIC, Caller
from app.core.usage import Work
from bench.reader.corpus import SOURCE, open_corpus
from bench.reader.scores import holds
from retrieval.passage import Passage
from routing.citation import SpanCitation
from routing.flow import PASSAGES
from routing.reading.corpus import Page, Row, has_set, load_pages, load_rows
from routing.reading.examples import TRAINING_SETS, TUNING_ARTICLES, find_spans
from routing.tier import ReaderSettings, Signals, TierAnswer, TierRequest, load_specs

if TYPE_CHECKING:
    from retrieval.embedder import Embedder
    from routing.tiers.reader import ReaderTier

LABEL_SETS = {
    "squad_v2": (470, 450, 150),
    "nq_open_oracle": (1, 900, 150),
    "hotpotqa_1k": (26, 280, 80),
    "2wikimultihopqa_1k": (51, 280, 80),
    "covidqa": (0, 250, 80),
    "policyqa": (0, 0, 80),
    "subjqa": (0, 0, 80),
}
"""Most questions of each set: of its training part those that the reading adapter was not trained on and
those that it was, and of its other part. Drawn with a fixed seed; a larger draw holds the smaller one."""

TOLD = 2
"""Raised whenever the rung tells more, or something else, of its answers: older labels are read anew."""

_SEED = 20261124
_CALLER = Caller("bench", "bench", "", "Bench", "bench", frozenset({EVERYONE, PUBLIC}))
_TRUTHS = frozenset({"yes", "no"})


@dataclass(frozen=True, slots=True)
class Label:
    """A question, what was found and shown, and whether that is right. `seen` tells that the reading adapter
    was trained on the question; `reader` names the adapter, and `told` is the `TOLD` of its time."""

    set: str
    part: str
    seen: bool
    id: str
    question: str
    gold: tuple[str, ...]
    passages: tuple[Passage, ...]
    citations: tuple[SpanCitation, ...]
    text: str
    abstained: bool
    signals: Signals
    right: bool
    reader: str
    told: int = 0

    @property
    def answer(self) -> TierAnswer:
        """As the rung gave it."""
        work = Work("reader", self.reader, "abstained" if self.abstained else "answered")
        return TierAnswer(self.text, self.citations, self.abstained, self.signals, work)


_FORM = TypeAdapter(Label)


def load_labels(
    data: Path, cache: Path, sets: Iterable[str] = tuple(LABEL_SETS), parts: Sequence[str] = ("train", "dev")
) -> list[Label]:
    """Every label of the sets that the folder holds, reading what the cache does not hold yet.

    Args:
        cache: a folder; it gets a file for each set.
        parts: `train`, to train on, and `dev`, to measure on.
    """
    cache.mkdir(parents=True, exist_ok=True)
    rung: ReaderTier | None = None
    found: list[Label] = []
    for name in sets:
        if not has_set(data, name):
            continue
        rung = rung or _rung()
        file = cache / f"{name}.jsonl"
        asked = [(row, seen) for row, seen in _draw(data, name) if _part(row) in parts]
        # Another adapter's answers tell nothing of this one's.
        current = (rung.at_most().model, TOLD)
        kept = {label.id: label for label in _kept(file) if (label.reader, label.told) == current}
        missing = [row for row, _ in asked if row.id not in kept]
        if missing:
            with file.open("a", encoding="utf-8") as out:
                for label in _read(data, name, missing, rung):
                    out.write(_FORM.dump_json(label).decode() + "\n")
                    out.flush()
                    kept[label.id] = label
        found.extend(kept[row.id] for row, _ in asked)
    return found


def is_right(gold: Sequence[str], sentences: Sequence[str]) -> bool:
    """Whether shown sentences answer: nothing is shown where there is no gold answer, else one of them, or
    all together, hold one. A quote does not say yes or no."""
    if not gold:
        return not sentences
    told = [answer for answer in gold if answer.strip().casefold().rstrip(".") not in _TRUTHS]
    return any(holds(text, told) for text in (*sentences, " ".join(sentences)) if text)


def _rung() -> "ReaderTier":
    from routing.reading.reader import make_reader
    from routing.tiers.reader import ReaderTier

    spec = next(spec for spec in load_specs() if spec.kind == "reader")
    assert isinstance(spec.reader, ReaderSettings)
    return ReaderTier(spec.name, spec.label, spec.reader, make_reader(Settings()))


def _kept(file: Path) -> Iterator[Label]:
    """What the file holds; a last line that was broken off is cut away."""
    if not file.is_file():
        return
    kept = file.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    if len(whole) < len(kept):
        file.write_bytes(whole)
    for line in whole.splitlines():
        yield _FORM.validate_json(line)


def _draw(data: Path, name: str) -> list[tuple[Row, bool]]:
    """The questions to ask, each with whether the adapter was trained on it."""
    pages = load_pages(data, name)
    seen: list[Row] = []
    unseen: list[Row] = []
    for row in load_rows(data, name, training=True):
        (seen if name in TRAINING_SETS and _was_shown(row, pages) else unseen).append(row)
    of_unseen, of_seen, of_dev = LABEL_SETS[name]
    drawn = [
        *((row, False) for row in _some(unseen, of_unseen)),
        *((row, True) for row in _some(seen, of_seen)),
        *((row, False) for row in _some(load_rows(data, name, training=False), of_dev)),
    ]
    return [(row, shown) for row, shown in drawn if all(key in pages for key in row.gold)]


def _part(row: Row) -> str:
    return "train" if row.split == "train" else "dev"


def _some(rows: Sequence[Row], count: int) -> list[Row]:
    chosen = random.Random(_SEED).sample(list(rows), min(count, len(rows)))
    return sorted(chosen, key=lambda row: row.id)


def _was_shown(row: Row, pages: dict[str, Page]) -> bool:
    """Whether `adapter train reader` made an example of it: not of tuning articles, nor of a question whose
    answer stands in none of its texts."""
    if row.gold[0].startswith(TUNING_ARTICLES):
        return False
    texts = [pages[key].text for key in row.gold if key in pages]
    return not row.answers or bool(row.starts) or any(find_spans(text, row.answers) for text in texts)


def _read(data: Path, name: str, rows: Sequence[Row], rung: "ReaderTier") -> Iterator[Label]:
    from retrieval.embedder import MiniLmEmbedder

    embedder: Embedder = MiniLmEmbedder()
    pages = load_pages(data, name)
    shown = {row.id for row, seen in _draw(data, name) if seen}
    source_of = _sources(name)
    with open_corpus(_needed(name, rows, pages), embedder, source_of) as search:
        for row in rows:
            source = source_of(pages[row.gold[0]])
            passages = tuple(search(row.question, PASSAGES, *(() if source == SOURCE else (source,))))
            request = TierRequest(row.question, row.question, passages, caller=_CALLER)
            answer = list(rung.answer(request))[-1]
            assert isinstance(answer, TierAnswer)
            yield _label(name, row, row.id in shown, passages, answer)


def _label(name: str, row: Row, seen: bool, passages: tuple[Passage, ...], answer: TierAnswer) -> Label:
    return Label(
        set=name,
        part=_part(row),
        seen=seen,
        id=row.id,
        question=row.question,
        gold=row.answers,
        passages=passages,
        citations=answer.citations,
        text=answer.text,
        abstained=answer.abstained,
        signals=answer.signals,
        right=is_right(row.answers, [citation.quote for citation in answer.citations]),
        reader=answer.work.model,
        told=TOLD,
    )


def _sources(name: str) -> Callable[[Page], str]:
    """Questions about "this website" or "this product" are asked of that website's texts, or that review, as
    a person would who narrows the search to a source; the others of the whole corpus."""
    if name == "policyqa":
        return lambda page: page.title
    if name == "subjqa":
        return lambda page: page.id
    return lambda _: SOURCE


def _needed(name: str, rows: Sequence[Row], pages: dict[str, Page]) -> list[Page]:
    """The texts to search in: all of a corpus, or of a large one those that belong to any question asked."""
    if name in ("hotpotqa_1k", "2wikimultihopqa_1k", "covidqa", "subjqa"):
        ids = sorted({key for row in rows for key in (*row.gold, *row.candidates)})
        return [pages[key] for key in ids if key in pages]
    return list(pages.values())
