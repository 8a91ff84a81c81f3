"""Whether the passages at hand suffice, so that one call without tools answers: the cheaper form."""

from collections.abc import Sequence

from retrieval.passage import Passage
from routing.difficulty.features import passage_features, question_features

ONE_CALL = "The passages covered the question, so it was answered in one call, without another search."

_COVERS = 0.8
_NEAR = 0.35


def passages_suffice(question: str, passages: Sequence[Passage]) -> bool:
    """True where one passage holds nearly all that is asked, everything named is found, and the question asks
    for one thing: neither a comparison, nor a sum over many places, nor several things at once."""
    asked = question_features(question)
    if asked.comparison or asked.aggregation or asked.questions > 1:
        return False
    found = passage_features(question, passages)
    return found.one_covers >= _COVERS and found.names_held >= 1.0 and found.cosine >= _NEAR
