"""Allows for what the reading adapter was trained on: it reads those questions better than people's.

While a model is fitted, a row tells whether the adapter may have seen its question. The model that is kept
has that settled: it answers as for a question that the adapter never saw.
"""

from collections.abc import Mapping

from routing.difficulty.model import FARTHEST, ModelFile, ScoreModel, Tree

SEEN = "t_seen"
"""A feature of training rows alone: 1 where the adapter was trained on the question, 0 where it was not
or where this cannot be told apart in the set."""


def with_seen(features: Mapping[str, float], *, seen: bool) -> dict[str, float]:
    """The features of a training row."""
    return {**features, SEEN: float(seen)}


def as_unseen(model: ScoreModel) -> ScoreModel:
    """The same model for questions that were not seen, which no longer asks."""
    file = model.file
    names = [term.name for term in file.terms]
    place = names.index(SEEN)
    term = file.terms[place]
    standard = max(-FARTHEST, min(FARTHEST, (0.0 - term.mean) / term.scale))
    return ScoreModel(
        ModelFile.model_validate(
            {
                **file.model_dump(),
                "intercept": file.intercept + term.weight * standard,
                "terms": [other for other in file.terms if other.name != SEEN],
                "trees": [_settled(tree, place) for tree in file.trees],
            }
        )
    )


def _settled(tree: Tree, place: int) -> Tree:
    """The tree without its questions about the feature at `place`, each answered with "no"; the features
    after it move up by one."""
    kept: list[tuple[int, float, int, int, float]] = []

    def keep(node: int) -> int:
        while tree.left[node] >= 0 and tree.feature[node] == place:
            node = tree.left[node]
        here = len(kept)
        ends = tree.left[node] < 0
        asked = 0 if ends else tree.feature[node] - (tree.feature[node] > place)
        kept.append((asked, tree.threshold[node], -1, -1, tree.value[node]))
        if not ends:
            left, right = keep(tree.left[node]), keep(tree.right[node])
            kept[here] = (asked, tree.threshold[node], left, right, tree.value[node])
        return here

    keep(0)
    feature, threshold, left, right, value = zip(*kept, strict=True)
    return Tree(feature=feature, threshold=threshold, left=left, right=right, value=value)
