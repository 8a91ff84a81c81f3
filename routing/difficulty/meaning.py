"""What a question is about, as a few numbers: its embedding along the directions in which questions differ.

The directions are the first principal components of the training questions' embeddings (Pearson 1901), so
they hold for one embedder alone. With any other, the models that do without are used.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import ConfigurationError
from retrieval.search import QuestionVector

PREFIX = "m_"
"""Of the names of these features."""

_DIGITS = 4


class _MeaningFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    embedder: str = Field(min_length=1)
    centre: list[float]
    directions: list[list[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """The directions of one embedder."""

    embedder: str
    centre: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, embedder: str, vectors: NDArray[np.float32], count: int) -> "Meaning":
        """The `count` directions in which these vectors differ most; the sign of each is fixed."""
        centre = vectors.mean(axis=0)
        _, _, found = np.linalg.svd(vectors - centre, full_matrices=False)
        directions = found[:count]
        largest = np.abs(directions).argmax(axis=1)
        directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
        return cls(embedder, centre.round(_DIGITS), directions.round(_DIGITS))

    @classmethod
    def load(cls, path: Path) -> "Meaning":
        """Reads the file. Raises ConfigurationError, `bad_difficulty_model`, when it cannot be used."""
        try:
            file = _MeaningFile.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            message = f"The difficulty's directions {path} cannot be used. Restore them from the checkout."
            raise ConfigurationError(message, code="bad_difficulty_model") from error
        return cls(file.embedder, np.array(file.centre, np.float32), np.array(file.directions, np.float32))

    def save(self, path: Path) -> None:
        lines = ",\n".join("    " + _line(direction) for direction in self.directions)
        head = f'{{\n  "embedder": {json.dumps(self.embedder)},\n  "centre": {_line(self.centre)},\n'
        path.write_text(f'{head}  "directions": [\n{lines}\n  ]\n}}\n', encoding="utf-8")

    def features(self, vector: QuestionVector | None) -> dict[str, float] | None:
        """Its place along each direction; nothing where there is no vector of this embedder."""
        if vector is None or vector.embedder != self.embedder:
            return None
        places = self.directions @ (vector.values - self.centre)
        return {f"{PREFIX}{number:02}": float(place) for number, place in enumerate(places)}


def _line(numbers: Sequence[float] | NDArray[np.float32]) -> str:
    return json.dumps([round(float(number), _DIGITS) for number in numbers])
