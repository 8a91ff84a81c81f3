"""A small learned model of the difficulty, as a file of JSON: what was learned, never code.

    log-odds = intercept + Σ weight · clip((feature − mean) / scale) + Σ tree(features)
    probability = 1 / (1 + exp(−(slope · log-odds + offset)))

The last line is the calibration (Platt 1999), fitted on answers that the weights were not fitted to.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.core.errors import ConfigurationError, RungError

FORM = 1
"""Of the file. A file of another form is refused."""

FARTHEST = 4.0
"""A feature counts as at most so many standard deviations from what was seen in training."""


class FeatureError(RungError):
    """A model was asked without one of its features, or with one that is no number."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="bad_features")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LinearTerm(_Strict):
    """One feature: how it is standardised and what it adds to the log-odds for each standard deviation."""

    name: str = Field(min_length=1)
    mean: float
    scale: float = Field(gt=0)
    weight: float


class Tree(_Strict):
    """A decision tree. Node 0 is the root; a node without children has -1 as left and right.

    At an inner node, `feature` (an index into the model's features) up to `threshold` goes left. `value` is
    what the tree adds to the log-odds when one stops at that node.
    """

    feature: tuple[int, ...] = Field(min_length=1)
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    @model_validator(mode="after")
    def _is_a_tree(self) -> "Tree":
        size = len(self.feature)
        if any(len(part) != size for part in (self.threshold, self.left, self.right, self.value)):
            raise ValueError("the parts of a tree must be of one length")
        for node, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            ends = left == right == -1
            if not ends and not (node < left < size and node < right < size):
                raise ValueError(f"node {node} must end or lead to later nodes")
        return self


class Calibration(_Strict):
    """Platt's: how the model's own log-odds become those that hold."""

    slope: float = Field(gt=0)
    offset: float


class ModelFile(_Strict):
    """What stands in it. `data_sha256` is of the training rows, `metrics` are cross-validated on them."""

    form: int = Field(FORM, ge=FORM, le=FORM)
    name: str = Field(min_length=1)
    trained_at: str
    data_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=1)
    settings: dict[str, float]
    metrics: dict[str, float]
    intercept: float
    terms: tuple[LinearTerm, ...] = Field(min_length=1)
    trees: tuple[Tree, ...] = ()
    calibration: Calibration

    @model_validator(mode="after")
    def _features_exist(self) -> "ModelFile":
        if len({term.name for term in self.terms}) < len(self.terms):
            raise ValueError("a feature stands in it twice")
        if any(not 0 <= asked < len(self.terms) for tree in self.trees for asked in tree.feature):
            raise ValueError("a tree asks for a feature that is not there")
        return self


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A model of the probability that an answer would be, or is, wrong. Safe to use from any thread."""

    file: ModelFile

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def features(self) -> tuple[str, ...]:
        """The names of what it needs, in its order."""
        return tuple(term.name for term in self.file.terms)

    @classmethod
    def load(cls, path: Path) -> "ScoreModel":
        """Reads a model's file.

        Raises:
            ConfigurationError: `bad_difficulty_model` when it is missing or cannot be used.
        """
        try:
            return cls(ModelFile.model_validate_json(path.read_bytes()))
        except OSError as error:
            message = f"The difficulty's model {path} cannot be read: {error}. Restore it from the checkout."
            raise ConfigurationError(message, code="bad_difficulty_model") from error
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3]
            )
            message = f"The difficulty's model {path} cannot be used: {told}. Restore it from the checkout."
            raise ConfigurationError(message, code="bad_difficulty_model") from error

    def save(self, path: Path) -> None:
        """Writes the file, the same bytes for the same model."""
        told = self.file.model_dump(mode="json")
        terms, trees = told.pop("terms"), told.pop("trees")
        lines = [f"  {json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in told.items()]
        for key, values in (("terms", terms), ("trees", trees)):
            items = ",\n".join(f"    {json.dumps(value)}" for value in values)
            lines.append(f"  {json.dumps(key)}: [\n{items}\n  ]" if items else f"  {json.dumps(key)}: []")
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    def probability(self, features: Mapping[str, float]) -> float:
        """The calibrated probability, strictly between 0 and 1. Features it does not know are left aside.

        Raises:
            FeatureError: one is missing or no number.
        """
        return squash(self.log_odds(features))

    def log_odds(self, features: Mapping[str, float]) -> float:
        """The calibrated log-odds. Raises FeatureError as `probability`."""
        return self.base + sum(self.moves(features).values())

    @property
    def base(self) -> float:
        """The log-odds that an answer has of which every feature is as usual."""
        file = self.file
        raw = file.intercept + sum(tree.value[0] for tree in file.trees)
        return file.calibration.slope * raw + file.calibration.offset

    def moves(self, features: Mapping[str, float]) -> dict[str, float]:
        """What each feature adds to the log-odds; with `base` they sum up to `log_odds`.

        A tree's share goes to the features on the path: each the difference between the nodes before and
        after it (Saabas 2014).

        Raises:
            FeatureError: one is missing or no number.
        """
        values = self._values(features)
        slope = self.file.calibration.slope
        moved = {
            term.name: slope * term.weight * _standard(term, value)
            for term, value in zip(self.file.terms, values, strict=True)
        }
        for tree in self.file.trees:
            node = 0
            while tree.left[node] >= 0:
                asked = tree.feature[node]
                after = tree.left[node] if values[asked] <= tree.threshold[node] else tree.right[node]
                moved[self.file.terms[asked].name] += slope * (tree.value[after] - tree.value[node])
                node = after
        return moved

    def _values(self, features: Mapping[str, float]) -> list[float]:
        missing = [term.name for term in self.file.terms if term.name not in features]
        if missing:
            raise FeatureError(f"The difficulty's model {self.name} needs {', '.join(missing)}.")
        values = [float(features[term.name]) for term in self.file.terms]
        if not all(map(math.isfinite, values)):
            odd = next(t.name for t, v in zip(self.file.terms, values, strict=True) if not math.isfinite(v))
            raise FeatureError(f"The difficulty's model {self.name} got no number for {odd}.")
        return values


def squash(log_odds: float) -> float:
    """The probability of a log-odds, kept off 0 and 1: nothing is certain."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def _standard(term: LinearTerm, value: float) -> float:
    return max(-FARTHEST, min(FARTHEST, (value - term.mean) / term.scale))
