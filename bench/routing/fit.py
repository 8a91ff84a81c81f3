"""Fits the small models of the difficulty. Only the benchmark needs scikit-learn; the product reads JSON.

Everything is chosen by shuffled cross-validation on the training rows alone: the strength of the penalty, the
share of the boosted trees beside the linear part, and the calibration, which sees only log-odds of rows that
the weights were not fitted to.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.routing.scores import auroc, calibration_error
from routing.difficulty.model import FARTHEST, Calibration, LinearTerm, ModelFile, ScoreModel, Tree

Floats = NDArray[np.float64]

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of the L2 penalty that are tried."""

TREE_SHARES = (0.0, 0.5)
"""Shares of the boosted trees in the log-odds that are tried; 0 is a plain logistic regression."""

FOLDS = 5
TREES, DEPTH, RATE, LEAST_LEAF, SUBSAMPLE = 120, 3, 0.05, 30, 0.6


@dataclass(frozen=True, slots=True)
class _Data:
    """What is fitted to: features, whether the answer was wrong, and how much the row counts."""

    matrix: Floats
    labels: NDArray[np.bool_]
    weights: Floats

    def at(self, rows: NDArray[np.int64]) -> "_Data":
        return _Data(self.matrix[rows], self.labels[rows], self.weights[rows])


@dataclass(frozen=True, slots=True)
class Choice:
    """What cross-validation chose, and the log-odds it gave to rows that it had not seen."""

    penalty: float
    tree_share: float
    out_of_fold: Floats


def fit(
    rows: Sequence[Mapping[str, float]],
    wrong: Sequence[bool],
    *,
    name: str,
    groups: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
    seed: int = 20261124,
    tree_shares: Sequence[float] = TREE_SHARES,
    penalties: Sequence[float] = PENALTIES,
) -> ScoreModel:
    """Fits and calibrates a model of `wrong`.

    Args:
        rows: the same features in every row.
        groups: rows of one group (an article, a document) never stand on both sides of a fold.
        weights: how much each row counts, in all that is fitted and chosen; all alike without. The metrics
            are of the rows that count most.
        tree_shares: (0.0,) keeps to logistic regression.
        penalties: the inverse strengths to choose from.
    """
    features = sorted(rows[0])
    matrix = np.array([[row[feature] for feature in features] for row in rows], dtype=np.float64)
    labels = np.asarray(wrong, dtype=bool)
    counted = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    data = _Data(matrix, labels, counted)
    choice = _choose(data, list(_folds(labels, groups, seed)), seed, tree_shares, penalties)
    slope, offset = platt(choice.out_of_fold, labels, counted)
    full = counted == counted.max()
    calibrated = 1 / (1 + np.exp(-(slope * choice.out_of_fold + offset)))
    part = _Part.fit(data, choice.penalty, choice.tree_share, seed)
    return ScoreModel(
        ModelFile(
            form=1,
            name=name,
            trained_at=datetime.now(UTC).date().isoformat(),
            data_sha256=_hash(features, matrix, labels),
            rows=len(rows),
            settings={
                "penalty": choice.penalty,
                "tree_share": choice.tree_share,
                "folds": FOLDS,
                "seed": seed,
            },
            metrics={
                "auroc": round(auroc(labels[full], calibrated[full]), 4),
                "ece": round(calibration_error(labels[full], calibrated[full]), 4),
                "base_rate": round(float(labels[full].mean()), 4),
            },
            intercept=part.intercept,
            terms=part.terms(features),
            trees=part.trees,
            calibration=Calibration(slope=slope, offset=offset),
        )
    )


def platt(log_odds: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> tuple[float, float]:
    """Slope and offset that make the log-odds hold."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    found = LogisticRegression(C=1e6, max_iter=1000).fit(log_odds.reshape(-1, 1), labels, weights)
    # A slope of nothing, or less, is a model that knows nothing: every row gets the base rate.
    return max(1e-6, float(found.coef_[0][0])), float(found.intercept_[0])


def _folds(
    labels: NDArray[np.bool_], groups: Sequence[str] | None, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Shuffled: neighbouring rows are alike, and contiguous folds would make a harder task of it."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold  # type: ignore[import-untyped]

    if groups is None:
        yield from StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels)
    else:
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        yield from folds.split(labels, labels, np.asarray(groups))


def _choose(
    data: _Data,
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    seed: int,
    tree_shares: Sequence[float],
    penalties: Sequence[float],
) -> Choice:
    """The penalty and the share of trees with the least log loss on rows that were not fitted to."""
    linear = {penalty: np.zeros(len(data.labels)) for penalty in penalties}
    boosted = np.zeros(len(data.labels))
    for inside, outside in folds:
        for penalty in penalties:
            linear[penalty][outside] = _Linear.fit(data.at(inside), penalty).log_odds(data.matrix[outside])
        if any(tree_shares):
            boosted[outside] = _boost(data.at(inside), seed).decision_function(data.matrix[outside])
    tried = [
        Choice(penalty, share, (1 - share) * linear[penalty] + share * boosted)
        for share in tree_shares
        for penalty in penalties
    ]
    return min(tried, key=lambda choice: _log_loss(choice.out_of_fold, data))


def _log_loss(log_odds: Floats, data: _Data) -> float:
    """Once calibrated, so that choices differ by what they tell and not by their scale."""
    slope, offset = platt(log_odds, data.labels, data.weights)
    signed = np.where(data.labels, 1, -1) * (slope * log_odds + offset)
    return float(np.average(np.logaddexp(0, -signed), weights=data.weights))


@dataclass(frozen=True, slots=True)
class _Linear:
    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    @classmethod
    def fit(cls, data: _Data, penalty: float) -> "_Linear":
        from sklearn.linear_model import LogisticRegression

        matrix = data.matrix
        mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
        scale = np.where(scale < 1e-9, 1.0, scale)
        standard = np.clip((matrix - mean) / scale, -FARTHEST, FARTHEST)
        found = LogisticRegression(C=penalty, max_iter=2000).fit(standard, data.labels, data.weights)
        return cls(mean, scale, found.coef_[0], float(found.intercept_[0]))

    def log_odds(self, matrix: Floats) -> Floats:
        standard = np.clip((matrix - self.mean) / self.scale, -FARTHEST, FARTHEST)
        result: Floats = standard @ self.weights + self.intercept
        return result


def _boost(data: _Data, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier  # type: ignore[import-untyped]

    return GradientBoostingClassifier(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        min_samples_leaf=LEAST_LEAF,
        subsample=SUBSAMPLE,
        max_features=0.3,
        random_state=seed,
    ).fit(data.matrix, data.labels, data.weights)


@dataclass(frozen=True, slots=True)
class _Part:
    """Both parts, each scaled by its share."""

    linear: _Linear
    share: float
    trees: tuple[Tree, ...]
    prior: float

    @classmethod
    def fit(cls, data: _Data, penalty: float, tree_share: float, seed: int) -> "_Part":
        linear = _Linear.fit(data, penalty)
        if not tree_share:
            return cls(linear, 1.0, (), 0.0)
        boosted = _boost(data, seed)
        prior = float(np.average(data.labels, weights=data.weights))
        trees = tuple(_tree(stage[0].tree_, tree_share * RATE) for stage in boosted.estimators_)
        return cls(linear, 1 - tree_share, trees, tree_share * float(np.log(prior / (1 - prior))))

    @property
    def intercept(self) -> float:
        return self.share * self.linear.intercept + self.prior

    def terms(self, features: Sequence[str]) -> tuple[LinearTerm, ...]:
        linear = self.linear
        return tuple(
            LinearTerm(
                name=name, mean=float(mean), scale=float(scale), weight=round(float(weight) * self.share, 8)
            )
            for name, mean, scale, weight in zip(
                features, linear.mean, linear.scale, linear.weights, strict=True
            )
        )


def _tree(found: Any, factor: float) -> Tree:
    # The value of an inner node is the mean of its rows; that of a leaf was set by the boosting.
    values = found.value[:, 0, 0].copy()
    for node in range(found.node_count - 1, -1, -1):
        left, right = found.children_left[node], found.children_right[node]
        if left >= 0:
            sizes = found.weighted_n_node_samples
            values[node] = (values[left] * sizes[left] + values[right] * sizes[right]) / sizes[node]
    inner = found.children_left >= 0
    return Tree(
        feature=tuple(int(f) if i else 0 for f, i in zip(found.feature, inner, strict=True)),
        # scikit-learn compares in 32 bits; between two values seen, the last digits do not matter.
        threshold=tuple(
            round(float(t), 6) if i else 0.0 for t, i in zip(found.threshold, inner, strict=True)
        ),
        left=tuple(int(n) for n in found.children_left),
        right=tuple(int(n) for n in found.children_right),
        value=tuple(round(float(value) * factor, 8) for value in values),
    )


def _hash(features: Sequence[str], matrix: Floats, labels: NDArray[np.bool_]) -> str:
    told = [features, np.round(matrix, 9).tolist(), labels.tolist()]
    return hashlib.sha256(json.dumps(told, separators=(",", ":")).encode()).hexdigest()
