"""What a difficulty's reasons are called: statements about a question, its passages or an answer.

A statement is said only where it is true of the features, and where what the model makes of those features
points the way the score went. To add one: a line here, whose features `question`, `reading` or `answers`
give.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Statement:
    """`features` are those whose share in the score it stands for; a name that ends in `*` is a prefix."""

    says: str
    harder: bool
    features: tuple[str, ...]
    holds: Callable[[Features], bool]


def _is(name: str, least: float = 0.5) -> Callable[[Features], bool]:
    return lambda f: f.get(name, 0.0) >= least


def _below(name: str, most: float) -> Callable[[Features], bool]:
    return lambda f: name in f and f[name] <= most


def _all(*parts: Callable[[Features], bool]) -> Callable[[Features], bool]:
    return lambda f: all(part(f) for part in parts)


_HOPS = ("q_of", "q_relatives", "q_participles", "q_possessives", "q_roles")
_LOG_TWO, _LOG_THREE, _LOG_SEVENTEEN = 0.69, 1.09, 2.89
"""Counts are by the logarithm of one more: one thing, two things, sixteen words."""

STATEMENTS = (
    # of the question
    Statement("the question compares two things", True, ("q_comparison", "q_choice"), _is("q_comparison")),
    Statement("several things are asked at once", True, ("q_questions",), _is("q_questions", 2)),
    Statement(
        "the answer has to be gathered from many places", True, ("q_aggregation",), _is("q_aggregation")
    ),
    Statement("the question is about something that changes over time", True, ("q_change",), _is("q_change")),
    Statement("the question asks about a certain time", True, ("q_period", "q_asks_when"), _is("q_period")),
    Statement("the question asks for what is not so", True, ("q_negation",), _is("q_negation")),
    Statement(
        "the question asks for reasons or a judgement",
        True,
        ("q_reasoning", "q_asks_why"),
        _is("q_reasoning"),
    ),
    Statement(
        "one fact has to be found to look for the next",
        True,
        _HOPS,
        lambda f: sum(f.get(name, 0.0) > 0 for name in _HOPS) >= 2,
    ),
    Statement("the question names several things", True, ("q_names",), _is("q_names", _LOG_THREE)),
    Statement("the question is long", True, ("q_words", "q_content"), _is("q_words", _LOG_SEVENTEEN)),
    Statement("it is a short look-up", False, ("q_words", "q_content"), _below("q_words", 2.6)),
    Statement("questions like this one are often answered wrongly", True, ("m_*",), _is("m_00", -99)),
    Statement("questions like this one are mostly answered well", False, ("m_*",), _is("m_00", -99)),
    # of the passages
    Statement(
        "the answer needs facts from several documents",
        True,
        ("p_several_add", "p_documents", "p_one_document"),
        _all(_is("p_documents", _LOG_THREE), _is("p_several_add", 0.1)),
    ),
    Statement(
        "some of what is asked is in no passage",
        True,
        ("p_all_cover", "p_one_covers", "p_rare_held", "p_first_covers"),
        _below("p_all_cover", 0.75),
    ),
    Statement(
        "something the question names is in no passage", True, ("p_names_lack",), _is("p_names_lack", 0.2)
    ),
    Statement("two passages disagree", True, ("p_numbers_differ",), _is("p_numbers_differ")),
    Statement(
        "no passage is near to the question",
        True,
        ("p_cosine", "s_cosine", "p_words_score"),
        _below("p_cosine", 0.45),
    ),
    Statement(
        "a passage is very near to the question", False, ("p_cosine", "s_cosine"), _is("p_cosine", 0.6)
    ),
    Statement(
        "one passage covers the whole question",
        False,
        ("p_one_covers", "p_rare_held", "p_all_cover", "p_first_covers"),
        _is("p_one_covers", 0.8),
    ),
    Statement(
        "one document stands out", False, ("p_cosine_lead", "p_words_lead"), _is("p_cosine_lead", 0.08)
    ),
    Statement(
        "search by meaning and by words agree", False, ("p_searches_agree",), _is("p_searches_agree", 0.6)
    ),
    Statement(
        "search by meaning and by words disagree",
        True,
        ("p_searches_agree",),
        _below("p_searches_agree", 0.01),
    ),
    # of the reader's answer
    Statement(
        "the quick answer found nothing", True, ("r_silent", "r_silent_sure", "prior_silent"), _is("r_silent")
    ),
    Statement(
        "one sentence answers clearly",
        False,
        ("r_sure", "r_score"),
        _all(_is("r_score", 0.7), _below("r_silent", 0.5)),
    ),
    Statement("no sentence answers clearly", True, ("r_sure", "r_score"), _below("r_score", 0.5)),
    Statement("another answer is nearly as likely", True, ("r_lead",), _below("r_lead", 0.15)),
    Statement(
        "the answer holds what was asked", False, ("r_covers", "s_covers", "s_pairs"), _is("r_covers", 0.6)
    ),
    Statement(
        "the answer leaves out part of what was asked",
        True,
        ("r_covers", "s_covers", "s_pairs", "s_passage_covers"),
        _below("r_covers", 0.5),
    ),
    Statement(
        "the answer does not name what was asked about", True, ("r_names_lack",), _is("r_names_lack", 0.2)
    ),
    Statement(
        "the answer holds no number, date or name as asked",
        True,
        ("r_kind_missed", "s_span_kind_missed", "a_kind_missed"),
        lambda f: (
            max(f.get("r_kind_missed", 0), f.get("s_span_kind_missed", 0), f.get("a_kind_missed", 0)) > 0
        ),
    ),
    Statement("several passages say it", False, ("r_agreeing", "s_said_by"), _is("r_agreeing", 2)),
    # of a chat model's answer
    Statement(
        "the model says the same without the passages",
        False,
        (
            "b_agree",
            "b_same",
            "b_within",
            "b_letters",
            "b_agree_choice",
            "b_agree_number",
            "b_agree_rare",
            "b_numbers_same",
            "b_words_apart",
        ),
        _is("b_agree", 0.8),
    ),
    Statement(
        "the model says something else without the passages",
        True,
        (
            "b_agree",
            "b_same",
            "b_within",
            "b_letters",
            "b_numbers_differ",
            "b_agree_number",
            "b_agree_choice",
            "b_agree_rare",
            "b_words_apart",
        ),
        _below("b_agree", 0.4),
    ),
    Statement(
        "the question asks about something particular",
        False,
        ("b_asked_names", "b_asked_rarity", "b_asked_rarest"),
        _is("b_asked_names", 0.4),
    ),
    Statement("the model would not have known it", True, ("b_hedges", "b_echo"), _is("b_hedges")),
    Statement("the answer is hedged", True, ("a_hedges",), _is("a_hedges")),
    Statement("the answer repeats the question", True, ("a_echo",), _is("a_echo")),
    Statement("the answer is of the kind asked for", False, ("a_kind_met",), _is("a_kind_met")),
    Statement("the model found no answer in the passages", True, ("prior_silent",), _is("prior_silent")),
    Statement("the model was sure of its words", False, ("prior_fluent",), _is("prior_fluent", 0.3)),
    Statement("the model was not sure of its words", True, ("prior_hesitant",), _is("prior_hesitant", 0.2)),
    Statement("the model hesitated at a word", True, ("prior_stumbled",), _is("prior_stumbled", 0.3)),
    Statement(
        "some of its citations were not supported",
        True,
        ("prior_unsupported",),
        _is("prior_unsupported", 0.2),
    ),
)

LEAST_SHOWN = 0.1
"""Statements that move the log-odds by less are not worth a reason."""

MOST_SHOWN = 4
PLAIN = {True: "several small signs together", False: "nothing about it looks hard"}


def reasons(features: Features, moves: Mapping[str, float], *, harder: bool) -> tuple[str, ...]:
    """The weightiest true statements that point the way the score went, at least one."""
    weighty: dict[str, float] = {}
    for statement in STATEMENTS:
        if statement.harder is harder and statement.holds(features):
            moved = sum(_share(name, moves) for name in statement.features)
            if (moved if harder else -moved) >= LEAST_SHOWN:
                weighty[statement.says] = abs(moved)
    return tuple(sorted(weighty, key=lambda says: -weighty[says])[:MOST_SHOWN]) or (PLAIN[harder],)


def _share(name: str, moves: Mapping[str, float]) -> float:
    if name.endswith("*"):
        return sum(moved for feature, moved in moves.items() if feature.startswith(name[:-1]))
    return moves.get(name, 0.0)
