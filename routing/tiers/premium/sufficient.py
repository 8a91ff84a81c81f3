"""Whether the passages at hand suffice, so that one call without tools answers: the cheaper form."""

from collections.abc import Sequence

from retrieval.passage import Passage
from routing.difficulty.question import question_features
from routing.difficulty.reading import passage_features

_COVERS = 0.8
_NEAR = 0.35


def passages_suffice(question: str, passages: Sequence[Passage]) -> bool:
    """True where one passage holds nearly all that is asked, everything named is found, and the question asks
    for one thing: neither a comparison, nor a sum over many places, nor several things at once."""
    asked = question_features(question)
    if asked["q_comparison"] or asked["q_aggregation"] or asked["q_questions"] > 1:
        return False
    found = passage_features(question, passages)
    return found["p_one_covers"] >= _COVERS and found["p_names_lack"] == 0.0 and found["p_cosine"] >= _NEAR
