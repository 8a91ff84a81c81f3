"""How well the reader reads: on the parts of public question sets that it was not trained on.

For each set: the sentence it chooses when the gold passage is given (against the plain choice of the sentence
nearest by the encoder), how much its span overlaps with the gold answer, how well it tells answerable from
unanswerable questions, and the whole way: search the set's corpus, read what was found, choose one
sentence. Nothing is trained here.

Telling answerable from unanswerable is reported for sets that have unanswerable questions of their own.
"""

import json
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.reader.corpus import open_corpus, parts
from bench.reader.scores import auroc, holds, span_f1
from routing.reading.corpus import CORPORA, Page, Row, has_set, load_pages, load_rows
from routing.reading.examples import find_spans
from routing.reading.reading import Readable, rank
from routing.text.sentences import split_sentences

if TYPE_CHECKING:
    from retrieval.embedder import Embedder
    from routing.reading.reader import Reader

QUESTIONS = 400
"""Most questions of a set, drawn with a fixed seed."""

PASSAGES = 8
"""How many passages are read on the whole way."""

WHOLE_WAY = ("squad_v2", "nq_open_oracle", "covidqa", "hotpotqa_1k", "2wikimultihopqa_1k")
"""Sets whose questions say what they are about. Those of the others ask of "this website" or "this
product", which no search can know."""

KEYS = (
    "sentence_right",
    "baseline_sentence_right",
    "span_f1",
    "answerable_auroc",
    "end_to_end_sentence_right",
)
SHORT = dict(zip(KEYS, ("sentence", "nearest", "span F1", "answerable", "end to end"), strict=True))
TARGETS = {
    "sentence_right": 0.93,
    "span_f1": 0.75,
    "answerable_auroc": 0.74,
    "end_to_end_sentence_right": 0.75,
}
_SEED = 20261123


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its gold passages. `answers` is empty where they do not answer."""

    question: str
    answers: tuple[str, ...]
    gold: tuple[Readable, ...]


def run(data: Path | None, as_json: bool) -> None:
    """Prints the figures of each set and their means, then how fast it reads."""
    from bench.reader.speed import run_speed
    from retrieval.embedder import MiniLmEmbedder
    from routing.reading.reader import SHIPPED_ADAPTER, Reader

    if data is None:
        raise SystemExit("This benchmark needs --data DIR with qa/ and corpora/.")
    reader, embedder = Reader(), MiniLmEmbedder()
    print(f"adapter {reader.name}; at most {QUESTIONS} questions a set, none of them trained on")
    print(f"{'':20}{'questions':>10}" + "".join(f"{SHORT[key]:>13}" for key in KEYS))
    summary: dict[str, dict[str, float]] = {key: {} for key in KEYS}
    for name in CORPORA:
        rows = _held_out(data, name) if has_set(data, name) else []
        if rows:
            found = _Set(name, rows, load_pages(data, name), reader, embedder).figures()
            print(_line(name, len(rows), found), flush=True)
            for key, value in found.items():
                summary[key][name] = round(value, 4)
    means = {key: statistics.fmean(values.values()) for key, values in summary.items() if values}
    print(_line("mean", 0, means))
    print("targets " + ", ".join(f"{SHORT[key]} {value}" for key, value in TARGETS.items()) + " on squad_v2")
    for key, value in means.items():
        summary[key]["mean"] = round(value, 4)
    speed = run_speed(data, SHIPPED_ADAPTER)
    if as_json:
        print(json.dumps({**summary, "speed": speed}))


def _held_out(data: Path, name: str) -> list[Row]:
    rows = load_rows(data, name, training=False)
    chosen = random.Random(_SEED).sample(rows, min(QUESTIONS, len(rows)))
    return sorted(chosen, key=lambda row: row.id)


def _line(name: str, questions: int, figures: Mapping[str, float]) -> str:
    cells = (f"{figures[key]:13.3f}" if key in figures else f"{'':>13}" for key in KEYS)
    return f"{name:20}{questions or '':>10}" + "".join(cells)


class _Set:
    """One set while it is measured."""

    def __init__(
        self,
        name: str,
        rows: Sequence[Row],
        pages: Mapping[str, Page],
        reader: "Reader",
        embedder: "Embedder",
    ) -> None:
        self._name = name
        self._rows = rows
        self._pages = pages
        self._reader = reader
        self._embedder = embedder
        self._cases = [case for row in rows if (case := self._case(row)) is not None]

    def figures(self) -> dict[str, float]:
        right: list[bool] = []
        baseline: list[bool] = []
        overlap: list[float] = []
        trust: list[tuple[bool, float]] = []
        for case in self._cases:
            read = self._reader.read(case.question, case.gold)
            ranked = rank(read, self._reader.calibration)
            trust.append((bool(case.answers), ranked[0][0] if ranked else -math.inf))
            if case.answers and ranked:
                best = ranked[0][1]
                text = case.gold[best.passage].text
                right.append(holds(best.sentence.of(text), case.answers))
                overlap.append(span_f1(best.answer.of(text), case.answers))
                baseline.append(holds(self._nearest(case), case.answers))
        found = {
            "sentence_right": statistics.fmean(right),
            "baseline_sentence_right": statistics.fmean(baseline),
            "span_f1": statistics.fmean(overlap),
        }
        if len({is_answerable for is_answerable, _ in trust}) > 1:
            found["answerable_auroc"] = auroc(trust)
        if self._name in WHOLE_WAY:
            found["end_to_end_sentence_right"] = self._whole_way()
        return found

    def _case(self, row: Row) -> Case | None:
        """The passages that answer; of a long article the part around the answer. Nothing where the answer
        does not stand in them, such as yes or no."""
        pages = [self._pages[key] for key in row.gold if key in self._pages]
        gold = [Readable(page.title, part) for page in pages for part in parts(page.text)]
        if row.answers:
            gold = [passage for passage in gold if find_spans(passage.text, row.answers)] or []
        return Case(row.question, row.answers, tuple(gold)) if gold else None

    def _nearest(self, case: Case) -> str:
        """The sentence nearest to the question by the encoder alone."""
        sentences = [span.of(passage.text) for passage in case.gold for span in split_sentences(passage.text)]
        vectors = self._embedder.embed([case.question, *sentences])
        return sentences[int((vectors[1:] @ vectors[0]).argmax())]

    def _whole_way(self) -> float:
        """Share of answerable questions whose chosen sentence, of all of the corpus, holds a gold answer."""
        rows = [row for row in self._rows if row.answers and self._case(row) is not None]
        ids = {key for row in rows for key in (*row.gold, *row.candidates)}
        pages = (
            self._pages.values()
            if not rows[0].candidates
            else [self._pages[key] for key in sorted(ids) if key in self._pages]
        )
        right = []
        with open_corpus(pages, self._embedder) as search:
            for row in rows:
                passages = search(row.question, PASSAGES)
                texts = [Readable(p.title, p.text) for p in passages]
                ranked = rank(self._reader.read(row.question, texts), self._reader.calibration)
                best = ranked[0][1] if ranked else None
                right.append(
                    best is not None and holds(best.sentence.of(texts[best.passage].text), row.answers)
                )
        return statistics.fmean(right)
