"""What is seen of the passages, and of the reader's answer: numbers for the models of `models/`.

`standalone` is the question with what it refers to. "Not there" is a number of its own where a sign may be
lacking, so that the model can learn what its absence means.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from retrieval.passage import Passage
from routing.citation import SpanCitation
from routing.difficulty.question import asked_for, question_features
from routing.reading.signs import ReadingSigns
from routing.text.sentences import is_row
from routing.text.words import content_words, coverage, names, words
from routing.tier import TierAnswer

_LOOKED_AT = 6
"""Passages beyond this rank say little about whether the top ones suffice."""

_SURE, _ODDS_BOUND = 1e-4, 9.0
_LONG_SPAN = 6
"""Words; a fact is shorter."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CAPITAL = re.compile(r"\b[^\W\d_a-zß-ÿ]\w*")


def passage_features(standalone: str, passages: Sequence[Passage]) -> dict[str, float]:
    """How well the top passages cover the question, one of them and all together; how the searches agree."""
    top = passages[:_LOOKED_AT]
    wanted = frozenset(content_words(standalone))
    said = [_said(passage) for passage in top]
    one = max((coverage(set(wanted), set(part)) for part in said), default=0.0)
    covered, documents = _documents_needed(top, [set(part & wanted) for part in said])
    named, pairs, rarity = names(standalone), _pairs(standalone), _rarity(wanted, said)
    return {
        "p_passages": math.log1p(len(top)),
        "p_one_covers": one,
        "p_all_cover": coverage(set(wanted), covered),
        "p_several_add": coverage(set(wanted), covered) - one,
        "p_names_lack": 1 - coverage(set(named), set().union(*said)) if named else 0.0,
        "p_documents": math.log1p(documents),
        "p_one_document": float(len({p.document_id for p in top}) == 1),
        "p_rare_held": max((_share(rarity, part) for part in said), default=0.0),
        "p_first_covers": _share(rarity, said[0]) if said else 0.0,
        "p_pairs_held": max((coverage(pairs, _pairs(p.text)) for p in top), default=0.0),
        "p_numbers_differ": _numbers_differ(standalone, wanted, top),
        **_searched(passages),
    }


def _searched(passages: Sequence[Passage]) -> Mapping[str, float]:
    """How near the passages are, by meaning and by words, and how far both agree."""
    top = passages[:_LOOKED_AT]
    cosines = [(p.dense_score, p.document_id) for p in top if p.dense_score is not None]
    best, owner = max(cosines, default=(0.0, ""))
    others = [cosine for cosine, document in cosines if document != owner]
    sparse = sorted((p.sparse_score for p in top if p.sparse_score is not None), reverse=True)
    return {
        "p_cosine": best,
        "p_cosine_lead": best - max(others, default=0.0),
        "p_cosine_falls": best - min(cosines, default=(0.0, ""))[0],
        "p_words_score": math.log1p(max(0.0, sparse[0])) if sparse else 0.0,
        "p_words_lead": (sparse[0] - sparse[1]) / sparse[0] if len(sparse) > 1 and sparse[0] > 0 else 0.0,
        "p_searches_agree": _agreement(passages),
    }


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
    """The share of the three nearest by meaning that are also among the three best by words."""
    dense = [(p.dense_score, p.chunk_id) for p in passages if p.dense_score is not None]
    sparse = [(p.sparse_score, p.chunk_id) for p in passages if p.sparse_score is not None]
    nearest = {chunk for _, chunk in sorted(dense, reverse=True)[:3]}
    shared = nearest & {chunk for _, chunk in sorted(sparse, reverse=True)[:3]}
    return len(shared) / len(nearest) if nearest else 0.0


def answered_features(standalone: str, passages: Sequence[Passage], answer: TierAnswer) -> dict[str, float]:
    """All that the third stage looks at for the reader. Of the question alone only what is asked for, and
    whether it ties facts together: its other cues hold in the set that they were learned on and not in the
    next."""
    asked = question_features(standalone)
    return {
        **{name: asked[name] for name in asked if name.startswith("q_asks_") or name in _TIES},
        **passage_features(standalone, passages),
        **reader_features(standalone, passages, answer),
    }


_TIES = frozenset({"q_choice", "q_comparison", "q_kinship", "q_relatives", "q_possessives", "q_of"})


def reader_features(standalone: str, passages: Sequence[Passage], answer: TierAnswer) -> dict[str, float]:
    """Of what the reader shows: its own signals, where it stands, and what else stands there."""
    signals = answer.signals
    score = min(1 - _SURE, max(_SURE, signals.score or 0.0))
    odds = max(-_ODDS_BOUND, min(_ODDS_BOUND, math.log(score / (1 - score))))
    return {
        "r_silent": float(answer.abstained),
        "r_sure": odds,
        "r_score": signals.score or 0.0,
        "r_silent_sure": odds if answer.abstained else 0.0,
        "r_lead": signals.margin or 0.0,
        "r_covers": signals.coverage or 0.0,
        "r_names_named": float(signals.names is not None),
        "r_names_lack": 1 - signals.names if signals.names is not None else 0.0,
        "r_kind_met": float(signals.kind is not None and signals.kind > 0),
        "r_kind_missed": float(signals.kind is not None and signals.kind <= 0),
        "r_agreeing": float(min(3, signals.agreement or 0)),
        "r_two": float(len(answer.citations) > 1),
        **_read(signals.reading),
        **_placed(standalone, passages, answer.citations),
        **_shown(standalone, passages, answer.citations),
    }


def _read(signs: ReadingSigns | None) -> dict[str, float]:
    """Of the whole reading; all is 0 where a rung does not tell it, or nothing was read."""
    if signs is None:
        return dict.fromkeys(_READ, 0.0)
    top, second = _bounded(signs.top), -_ODDS_BOUND if signs.second is None else _bounded(signs.second)
    found = (
        top,
        second,
        _ODDS_BOUND if signs.second is None else _bounded(signs.top - signs.second),
        math.log1p(signs.top_place),
        signs.share,
        signs.spread,
        signs.any,
        float(signs.likely),
        _bounded(signs.nothing_least),
        _bounded(signs.nothing_mean),
        _bounded(signs.nothing_first),
        float(signs.answering),
        _bounded(signs.best_score),
        signs.answer_share,
        float(signs.answers),
        *_read_of_shown(signs),
    )
    return dict(zip(_READ, found, strict=True))


def _read_of_shown(signs: ReadingSigns) -> tuple[float, ...]:
    if signs.shown is None or signs.rank is None:
        return (0.0,) * 6
    return (
        _bounded(signs.shown),
        _bounded(signs.top - signs.shown),
        math.log1p(signs.rank),
        _bounded(signs.shown_nothing or 0.0),
        _bounded(signs.shown_score or 0.0),
        signs.shown_share or 0.0,
    )


_READ = (
    "x_top",
    "x_second",
    "x_gap",
    "x_top_place",
    "x_share",
    "x_spread",
    "x_any",
    "x_likely",
    "x_nothing_least",
    "x_nothing_mean",
    "x_nothing_first",
    "x_answering",
    "x_best_score",
    "x_answer_share",
    "x_answers",
    "x_shown",
    "x_below_top",
    "x_rank",
    "x_shown_nothing",
    "x_shown_score",
    "x_shown_share",
)


def _bounded(odds: float) -> float:
    return max(-_ODDS_BOUND, min(_ODDS_BOUND, odds))


def _placed(
    standalone: str, passages: Sequence[Passage], citations: Sequence[SpanCitation]
) -> dict[str, float]:
    """Of the documents: how many found ones the question names by their title, and whether it names the one
    that is quoted; whether other documents hold the answering words, and whether these are many."""
    asked = frozenset(content_words(standalone))
    titles = {p.document_id: frozenset(content_words(p.title)) for p in passages}
    found = {
        "x_titles_asked": float(sum(bool(title) and title <= asked for title in titles.values())),
        "x_title_asked": 0.0,
        "x_span_long": 0.0,
        "x_said_elsewhere": 0.0,
    }
    if not citations:
        return found
    cited = citations[0].passage
    title = frozenset(content_words(cited.title))
    span = words(_span(citations[0]))
    others = [p for p in passages if p.document_id != cited.document_id]
    return found | {
        "x_title_asked": len(title & asked) / len(title) if title else 0.5,
        "x_span_long": float(len(span) > _LONG_SPAN),
        "x_said_elsewhere": math.log1p(_said_by(span, others)),
    }


def _shown(
    standalone: str, passages: Sequence[Passage], citations: Sequence[SpanCitation]
) -> dict[str, float]:
    """Of the quoted sentences. All is 0 where nothing is quoted."""
    if not citations:
        return dict.fromkeys(_SHOWN, 0.0)
    wanted = frozenset(content_words(standalone))
    rarity = _rarity(wanted, [_said(passage) for passage in passages[:_LOOKED_AT]])
    quotes = [citation.quote for citation in citations]
    cited = citations[0].passage
    held = frozenset(content_words(" ".join(quotes)))
    spans = [span for citation in citations if (span := _span(citation))]
    span_words = words(spans[0]) if spans else []
    places = {passage.chunk_id: place for place, passage in enumerate(passages)}
    best = max((p.dense_score or 0.0 for p in passages), default=0.0)
    return {
        "s_words": math.log1p(len(words(" ".join(quotes)))),
        "s_covers": _share(rarity, held),
        "s_passage_covers": _share(rarity, _said(cited)),
        "s_pairs": coverage(_pairs(standalone), _pairs(" ".join(quotes))),
        "s_place": math.log1p(places.get(cited.chunk_id, len(passages))),
        "s_cosine": cited.dense_score or 0.0,
        "s_cosine_below": best - (cited.dense_score or 0.0),
        "s_row": float(is_row(quotes[0])),
        "s_documents": float(len({citation.passage.document_id for citation in citations})),
        "s_span_words": math.log1p(len(span_words)),
        "s_span_asked": coverage(set(content_words(spans[0])), set(wanted)) if spans else 0.0,
        "s_span_kind_met": _kind_met(standalone, spans[0] if spans else "", met=True),
        "s_span_kind_missed": _kind_met(standalone, spans[0] if spans else "", met=False),
        "s_said_by": math.log1p(_said_by(span_words, passages)),
        "s_whole": float(bool(spans) and len(span_words) >= len(words(quotes[0]))),
    }


_SHOWN = (
    "s_words",
    "s_covers",
    "s_passage_covers",
    "s_pairs",
    "s_place",
    "s_cosine",
    "s_cosine_below",
    "s_row",
    "s_documents",
    "s_span_words",
    "s_span_asked",
    "s_span_kind_met",
    "s_span_kind_missed",
    "s_said_by",
    "s_whole",
)


def _said(passage: Passage) -> frozenset[str]:
    return frozenset(content_words(" ".join((passage.title, *passage.heading_path, passage.text))))


def _rarity(wanted: Iterable[str], said: Sequence[frozenset[str]]) -> Mapping[str, float]:
    """What each word of the question weighs: the fewer passages hold it, the more it tells them apart."""
    return {word: math.log(1 + (len(said) + 1) / (1 + sum(word in p for p in said))) for word in wanted}


def _share(rarity: Mapping[str, float], held: frozenset[str]) -> float:
    whole = sum(rarity.values())
    return sum(weight for word, weight in rarity.items() if word in held) / whole if whole else 0.0


def _pairs(text: str) -> set[str]:
    """Neighbouring words that carry meaning."""
    said = content_words(text)
    return {f"{one} {other}" for one, other in pairwise(said)}


def _span(citation: SpanCitation) -> str:
    """The words of the quote that answer; nothing where the rung does not know them."""
    if citation.answer_start is None or citation.answer_end is None:
        return ""
    begin = citation.passage.start
    return citation.passage.text[citation.answer_start - begin : citation.answer_end - begin]


def _kind_met(standalone: str, span: str, *, met: bool) -> float:
    """Whether a span is, or is not, of the kind asked for; neither where any kind would do."""
    asked = asked_for(standalone)
    if asked["q_asks_how_many"] or asked["q_asks_when"]:
        return float(bool(_NUMBER.search(span)) is met)
    if asked["q_asks_who"] or asked["q_asks_where"]:
        return float(bool(_CAPITAL.search(span)) is met)
    return 0.0


def _said_by(span: Sequence[str], passages: Sequence[Passage]) -> int:
    """How many documents hold the very words of the answer."""
    if not span:
        return 0
    wanted = f" {' '.join(span)} "
    return len({p.document_id for p in passages if wanted in f" {' '.join(words(p.text))} "})


def _numbers_differ(standalone: str, wanted: frozenset[str], top: Sequence[Passage]) -> float:
    """Whether a number is asked for and the two documents that cover the question best hold other ones."""
    asked = asked_for(standalone)
    if not (asked["q_asks_how_many"] or asked["q_asks_when"]):
        return 0.0
    best: dict[str, tuple[float, set[str]]] = {}
    for passage in top:
        covers = coverage(set(wanted), set(_said(passage)))
        if covers > best.get(passage.document_id, (-1.0, set()))[0]:
            best[passage.document_id] = (covers, set(_NUMBER.findall(passage.text)))
    two = sorted(best.values(), key=lambda found: -found[0])[:2]
    return float(len(two) == 2 and bool(two[0][1]) and bool(two[1][1]) and not two[0][1] & two[1][1])
