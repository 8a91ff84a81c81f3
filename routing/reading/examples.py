"""Examples to learn reading from: the training parts of question sets whose licences allow training.

Only rows of the split `train` become examples. Each comes with passages that have to do with its question
and do not answer it: of the same article where there is one, else the set's own distractors, else the
nearest by words.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import InputError
from routing.reading.corpus import Page, Row, has_set, load_pages, load_rows
from routing.text.words import content_words

TRAINING_SETS = (
    "squad_v2",
    "squad_v2_silver",
    "nq_open_oracle",
    "covidqa",
    "hotpotqa_1k",
    "2wikimultihopqa_1k",
    "musique_100",
)

TUNING_ARTICLES = ("squad2:Normans:", "squad2:Harvard_University:")
"""Articles of the training part that are kept out of training, to choose settings and thresholds on."""

_PIECE = 1_000
"""Characters of an article that are read at once."""

_OTHERS = 3
"""Passages that do not answer, kept for each question."""

_NEAREST = 40


@dataclass(frozen=True, slots=True)
class Example:
    """A question, a passage, and every span of the passage that answers; none where it does not."""

    question: str
    title: str
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Material:
    """An example of a set, and passages (title, text) near its question that do not answer it."""

    set: str
    example: Example
    others: tuple[tuple[str, str], ...]
    tuning: bool = False


def load_material(folder: Path, sets: Sequence[str] = TRAINING_SETS) -> list[Material]:
    """Everything to learn from in a data folder, in the same order each time.

    Raises:
        InputError: `no_training_data` when the folder holds none of the sets; `bad_data` names file and line.
    """
    found: list[Material] = []
    for name in sets:
        if has_set(folder, name):
            found.extend(
                _Set(name, load_rows(folder, name, training=True), load_pages(folder, name)).material()
            )
    if not found:
        raise InputError(
            f"{folder} holds nothing to train on. It needs qa/NAME.jsonl.gz and its corpus in corpora/ for "
            f"one of {', '.join(sets)}.",
            code="no_training_data",
        )
    return found


def find_spans(text: str, answers: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Where answers stand in a text as whole words, whatever their case."""
    spans: set[tuple[int, int]] = set()
    for answer in filter(None, (answer.strip() for answer in answers)):
        pattern = rf"(?<!\w){re.escape(answer)}(?!\w)"
        spans.update((match.start(), match.end()) for match in re.finditer(pattern, text, re.IGNORECASE))
    return tuple(sorted(spans))


class _Set:
    """One set while its examples are made."""

    def __init__(self, name: str, rows: Sequence[Row], pages: dict[str, Page]) -> None:
        self._name = name
        self._rows = rows
        self._pages = pages
        self._draw = random.Random(name)  # noqa: S311 - draws examples, no secret
        self._words: dict[str, frozenset[str]] = {}
        self._holders: dict[str, list[str]] = defaultdict(list)
        self._articles: dict[str, list[str]] = defaultdict(list)
        # A passage that answers a question of another split is not shown here either.
        shown = {key for row in rows for key in (*row.gold, *row.candidates)}
        for key in sorted(shown & pages.keys()):
            self._articles[_article(key)].append(key)

    def material(self) -> list[Material]:
        return [found for row in self._rows if (found := self._of(row)) is not None]

    def _of(self, row: Row) -> Material | None:
        gold = [self._pages[key] for key in row.gold if key in self._pages]
        if not gold:
            return None
        example = self._example(row, gold)
        if example is None:
            return None
        tuning = row.gold[0].startswith(TUNING_ARTICLES)
        return Material(self._name, example, tuple(self._others(row, example)), tuning)

    def _example(self, row: Row, gold: list[Page]) -> Example | None:
        if not row.answers:
            return Example(row.question, gold[0].title, gold[0].text, ())
        if len(gold) > 1:
            self._draw.shuffle(gold)
            text = "\n".join(f"{page.title}: {page.text}" for page in gold)
            spans = find_spans(text, row.answers)
            return Example(row.question, "", text, spans) if spans else None
        page = gold[0]
        spans = (
            tuple(sorted({(s, s + len(a.rstrip())) for s, a in zip(row.starts, row.answers, strict=True)}))
            if row.starts
            else find_spans(page.text, row.answers)
        )
        return _piece(row.question, page, spans, self._draw) if spans else None

    def _others(self, row: Row, example: Example) -> list[tuple[str, str]]:
        """Passages near the question which hold none of its answers, nearest first."""
        asked = frozenset(content_words(row.question))
        if self._name == "covidqa":
            pool = list(_pieces(self._pages[row.gold[0]]))
        elif row.candidates:
            pool = [self._pages[key] for key in row.candidates if key in self._pages and key not in row.gold]
        elif len(near := self._articles[_article(row.gold[0])]) > 1:
            pool = [self._pages[key] for key in near if key not in row.gold]
        else:
            pool = self._holding(asked, row.gold)
        kept = [
            page for page in pool if not find_spans(page.text, row.answers) and page.text not in example.text
        ]
        kept.sort(key=lambda page: (-len(asked & self._content(page)), page.id))
        return [(page.title, page.text) for page in kept[:_OTHERS]]

    def _holding(self, asked: frozenset[str], gold: Sequence[str]) -> list[Page]:
        if not self._holders:
            for ids in self._articles.values():
                for key in ids:
                    for word in self._content(self._pages[key]):
                        self._holders[word].append(key)
        counts: dict[str, float] = defaultdict(float)
        for word in sorted(asked):
            for key in self._holders.get(word, ()):
                counts[key] += 1 / len(self._holders[word])
        best = sorted(counts, key=lambda key: (-counts[key], key))[:_NEAREST]
        return [self._pages[key] for key in best if key not in gold]

    def _content(self, page: Page) -> frozenset[str]:
        known = page.id if page.id in self._pages else page.text
        if known not in self._words:
            self._words[known] = frozenset(content_words(f"{page.title} {page.text}"))
        return self._words[known]


def _article(key: str) -> str:
    return key.rpartition(":")[0] if key.count(":") > 1 else key


def _piece(
    question: str, page: Page, spans: tuple[tuple[int, int], ...], draw: random.Random
) -> Example | None:
    """The passage, or of a long one a piece around its first answer, at a place that tells nothing."""
    if len(page.text) <= 2 * _PIECE:
        return Example(question, page.title, page.text, spans)
    start, end = spans[0]
    if end - start > _PIECE:
        return None
    begin = max(0, start - draw.randrange(0, _PIECE - (end - start) + 1))
    begin = page.text.find(" ", begin, start) + 1 or begin
    text = page.text[begin : begin + _PIECE]
    inside = tuple((s - begin, e - begin) for s, e in spans if s >= begin and e <= begin + len(text))
    return Example(question, "" if page.title.isdigit() else page.title, text, inside) if inside else None


def _pieces(page: Page) -> Iterable[Page]:
    for number, begin in enumerate(range(0, len(page.text), _PIECE)):
        yield Page(f"{page.id}#{number}", "", page.text[begin : begin + _PIECE])
