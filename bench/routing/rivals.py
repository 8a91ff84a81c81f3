"""What the difficulty is compared with: each gives every question a risk, the higher the likelier wrong."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from bench.routing.data import Outcome
from bench.routing.scores import Floats

_SEED = 20261124


def rivals(train: Sequence[Outcome], test: Sequence[Outcome]) -> Mapping[str, Floats]:
    """By name. Those that need what a data folder lacks are left out: a training part, recorded scores."""
    questions = [row.question for row in test]
    found: dict[str, Floats] = {
        "random": np.random.default_rng(_SEED).random(len(test)),
        "prompt length": np.array([float(len(question.split())) for question in questions]),
        "litellm complexity router": complexity(questions),
    }
    if train:
        found["tf-idf + logistic regression"] = tf_idf(train, questions)
    if all(row.t5 for row in test):
        # Its classes are no, one and several retrievals: the likelier several, the harder.
        found["t5-large (recorded)"] = np.array([row.t5[2] + 0.5 * row.t5[1] for row in test])
    found["oracle"] = np.array([float(row.wrong) for row in test])
    return found


def tf_idf(train: Sequence[Outcome], questions: Sequence[str]) -> Floats:
    from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]

    made = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=1.0, max_iter=2000)
    )
    made.fit([row.question for row in train], [row.wrong for row in train])
    scores: Floats = made.decision_function(list(questions))
    return scores


def complexity(questions: Sequence[str]) -> Floats:
    """LiteLLM's complexity router as it ships, asked live for each question: its weighted score."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from unittest.mock import Mock

    from litellm.router_strategy.complexity_router import ComplexityRouter

    router = ComplexityRouter("auto", Mock(), derive_savings_baseline=False)
    return np.array([float(router.classify(question)[1]) for question in questions])
