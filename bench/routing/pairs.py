"""RouteLLM's protocol (Ong et al. 2024) on the answers it recorded: MMLU and GSM8K, Mixtral-8x7B and GPT-4.

A router that sends a share of the prompts to the strong model recovers some of the gap in quality. APGR is
that share of the gap, averaged over all shares sent: .5 at random. Every prompt is scored by a stage 1 that
was fitted to the others (five shuffled folds).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.routing.data import ROUTELLM, Pair, encode, load_pairs
from bench.routing.scores import Bools, Floats, interval
from routing.difficulty.question import question_features

if TYPE_CHECKING:
    from retrieval.embedder import Embedder

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "mmlu": {"matrix factorisation": 0.597, "similarity": 0.603, "BERT": 0.572, "causal LLM": 0.600},
    "gsm8k": {"matrix factorisation": 0.565, "similarity": 0.568, "BERT": 0.531, "causal LLM": 0.622},
}
FOLDS, PENALTY = 5, 0.003
_SEED = 20261124


def run_pairs(data: Path, embedder: "Embedder") -> dict[str, float]:
    """Prints the APGR of each benchmark that is there."""
    found: dict[str, float] = {}
    for name in ROUTELLM:
        if pairs := load_pairs(data, name):
            found[name] = _run(name, pairs, embedder)
    return found


def _run(name: str, pairs: Sequence[Pair], embedder: "Embedder") -> float:
    weak = np.array([pair.weak_right for pair in pairs])
    strong = np.array([pair.strong_right for pair in pairs])
    gain = strong.astype(float) - weak
    prompts = [pair.prompt for pair in pairs]
    features = [question_features(prompt) for prompt in prompts]
    cues = np.array([[row[key] for key in sorted(row)] for row in features])
    matrix = np.hstack([cues, encode(prompts, embedder) * 10])
    router = cross_fitted(matrix, weak, strong)
    value = apgr(gain, router)
    low, high = interval(len(pairs), lambda places: apgr(gain[places], router[places]), draws=100)
    best = max(PUBLISHED[name].values())
    told = ", ".join(f"{key} {figure:.3f}" for key, figure in PUBLISHED[name].items())
    random = apgr(gain, np.random.default_rng(_SEED).random(len(pairs)))
    ceiling = apgr(gain, gain)
    print(f"  {name}: {len(pairs)} prompts, weak {weak.mean():.3f}, strong {strong.mean():.3f}")
    print(f"    APGR {value:.3f} [{low:.3f}, {high:.3f}], best published {best:.3f} ({told})")
    print(f"    random {random:.3f}, prompt length {apgr(gain, _lengths(prompts)):.3f}, oracle {ceiling:.3f}")
    return value


def apgr(gain: Floats, risk: Floats) -> float:
    """The mean share of the gap recovered, when the riskiest 0, 1, … all prompts go to the strong model."""
    order = np.argsort(-risk, kind="stable")
    recovered = np.concatenate([[0.0], np.cumsum(gain[order])]) / gain.sum()
    return float(np.trapezoid(recovered, dx=1 / len(gain)))


def cross_fitted(matrix: Floats, weak: Bools, strong: Bools) -> Floats:
    """The gain foretold for each prompt: how much likelier the strong model is right, by two models that saw
    none of its fold."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.model_selection import KFold  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    found = np.zeros(len(matrix))
    for inside, outside in KFold(FOLDS, shuffle=True, random_state=_SEED).split(matrix):
        right = []
        for labels in (strong, weak):
            made = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000))
            made.fit(matrix[inside], labels[inside])
            right.append(made.predict_proba(matrix[outside])[:, 1])
        found[outside] = right[0] - right[1]
    return found


def _lengths(prompts: Sequence[str]) -> Floats:
    return np.array([float(len(prompt.split())) for prompt in prompts])
