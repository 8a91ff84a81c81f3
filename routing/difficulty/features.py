"""What can be seen of a question, its passages and a first answer: numbers, not what they mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.passage import Passage
from routing.text.words import content_words, coverage, names, words
from routing.tier import Signals, TierAnswer

_LOOKED_AT = 6
"""Passages beyond this rank say little about whether the top ones suffice."""

_COMPARISON = re.compile(
    r"\b(?:compare[ds]?|comparison|differ(?:s|ence|ences|ent|ently)?|versus|vs|better|worse|rather than"
    r"|(?:more|less|fewer|larger|smaller|higher|lower|longer|shorter|cheaper|older|newer|faster|earlier|later)"
    r"\b.{0,80}\bthan|in common|both|respectively)\b",
    re.I,
)
_AGGREGATION = re.compile(
    r"\b(?:how many (?:different|of|times)|in total|altogether|total|average|sum of|list (?:all|every)"
    r"|all (?:the|of)|every|each|overall|most|least|highest|lowest|summari[sz]e|summary|overview|across)\b",
    re.I,
)
_CHANGE = re.compile(
    r"\b(?:chang(?:e|es|ed|ing)|used to|previous(?:ly)?|former(?:ly)?|still|no longer|any ?more|currently"
    r"|latest|newest|since when|before|after|until|history|evol(?:ve|ved|ution)|now|today)\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|without|except|unless|excluding|cannot)\b|n['’]t\b", re.I
)
_REASONING = re.compile(
    r"\b(?:why|how come|explain|what if|should (?:we|i)|would|could|implications?|consequences?|recommend"
    r"|pros and cons|trade-?offs?|because of)\b",
    re.I,
)
_QUESTION_WORD = re.compile(
    r"\b(?:and|or|also)\s+(?:who|what|when|where|why|how|which|whose|does|do|is|are|can)\b", re.I
)
_NAMES = re.compile(
    r"(?<=[\w,;:)] )(?:[A-Z][\w&.-]*)(?:\s+[A-Z0-9][\w&.-]*)*|\b[A-Z]{2,}[-\d]*\b|\b\w+-\d+\b"
)


@dataclass(frozen=True, slots=True)
class QuestionFeatures:
    """Counts and cues of the question alone; cues are 0 or 1."""

    words: int
    content_words: int
    names: int
    questions: int
    comparison: float
    aggregation: float
    change: float
    negation: float
    reasoning: float


@dataclass(frozen=True, slots=True)
class PassageFeatures:
    """How well the top passages cover the question.

    one_covers: most content words of the question in a single passage. all_cover: in all together.
    names_held: share of what the question names that stands in any of them; 1 where it names nothing.
    documents: distinct documents that are needed one after the other to reach that. cosine: the best. margin:
    its lead over the best of another document. agreement: share of the top three by meaning that are also
    among the top three by words.
    """

    passages: int
    one_covers: float
    all_cover: float
    names_held: float
    documents: int
    cosine: float
    margin: float
    agreement: float


@dataclass(frozen=True, slots=True)
class AnswerFeatures:
    """The answer's own signs, `None` where its rung has none. See `routing.tier.Signals` for what each is."""

    abstained: bool
    score: float | None
    margin: float | None
    coverage: float | None
    names: float | None
    kind: float | None
    agreement: int | None
    mean_logprob: float | None
    least_logprob: float | None
    supported: float | None


def question_features(question: str) -> QuestionFeatures:
    marks = len(re.findall(r"[?？]+", question))
    return QuestionFeatures(
        words=len(words(question)),
        content_words=len(set(content_words(question))),
        names=len(set(_NAMES.findall(question))),
        questions=max(1, marks) + len(_QUESTION_WORD.findall(question)),
        comparison=_cue(_COMPARISON, question),
        aggregation=_cue(_AGGREGATION, question),
        change=_cue(_CHANGE, question),
        negation=_cue(_NEGATION, question),
        reasoning=_cue(_REASONING, question),
    )


def passage_features(question: str, passages: Sequence[Passage]) -> PassageFeatures:
    top = passages[:_LOOKED_AT]
    wanted = set(content_words(question))
    said = [frozenset(content_words(_with_headings(passage))) for passage in top]
    held = [set(part & wanted) for part in said]
    covered, documents = _documents_needed(top, held)
    cosines = [(p.dense_score or 0.0, p.document_id) for p in top]
    best, owner = max(cosines, default=(0.0, ""))
    others = [cosine for cosine, document in cosines if document != owner]
    return PassageFeatures(
        passages=len(top),
        one_covers=max((coverage(wanted, part) for part in held), default=0.0),
        all_cover=coverage(wanted, covered),
        names_held=coverage(set(named), set().union(*said)) if (named := names(question)) else 1.0,
        documents=documents,
        cosine=best,
        margin=best - max(others, default=0.0),
        agreement=_agreement(passages),
    )


def answer_features(answer: TierAnswer) -> AnswerFeatures:
    signals: Signals = answer.signals
    return AnswerFeatures(
        abstained=answer.abstained,
        score=signals.score,
        margin=signals.margin,
        coverage=signals.coverage,
        names=signals.names,
        kind=signals.kind,
        agreement=signals.agreement,
        mean_logprob=signals.mean_logprob,
        least_logprob=signals.least_logprob,
        supported=signals.supported,
    )


def _cue(pattern: re.Pattern[str], text: str) -> float:
    return 1.0 if pattern.search(text) else 0.0


def _with_headings(passage: Passage) -> str:
    return " ".join((passage.title, *passage.heading_path, passage.text))


def _documents_needed(top: Sequence[Passage], held: Sequence[set[str]]) -> tuple[set[str], int]:
    """Greedily: the words that can be covered, and how many documents it takes."""
    by_document: dict[str, set[str]] = {}
    for passage, part in zip(top, held, strict=True):
        by_document.setdefault(passage.document_id, set()).update(part)
    covered: set[str] = set()
    documents = 0
    while by_document:
        name = max(by_document, key=lambda d: len(by_document[d] - covered))
        new = by_document.pop(name) - covered
        if not new:
            break
        covered |= new
        documents += 1
    return covered, documents


def _agreement(passages: Sequence[Passage]) -> float:
    dense = sorted((p for p in passages if p.dense_score is not None), key=lambda p: -(p.dense_score or 0))[
        :3
    ]
    sparse = sorted(
        (p for p in passages if p.sparse_score is not None), key=lambda p: -(p.sparse_score or 0)
    )[:3]
    shared = {p.chunk_id for p in dense} & {p.chunk_id for p in sparse}
    return len(shared) / len(dense) if dense else 0.0
