"""The reading adapter as one file: safetensors, its description in the file's own metadata, a hash over both.

A file is taken only whole: by its hash, for the base model it was trained on, with every weight in the
shape that model asks for. Nothing here needs torch to read.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import InputError, IntegrityError
from retrieval.embedder import BUNDLED_SHA256

if TYPE_CHECKING:
    from torch import Tensor

Weights = NDArray[np.floating[Any]]

FORMAT = "rung-reading-adapter"
VERSION = 1
MOST_BYTES = 6_000_000

LINEARS = ("query", "key", "value", "attention_out", "wide", "narrow")
"""The linear layers of an encoder layer, as the file names them."""

_NETWORK_NAMES = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_out",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
}
_MATRICES = {"lora_A": "down", "lora_B": "up"}


@dataclass(frozen=True, slots=True)
class BaseShape:
    """The base model that adapters must fit. `inner` is the width of its feed-forward layers."""

    name: str
    sha256: str
    width: int
    inner: int
    layers: int

    def of_linear(self, name: str) -> tuple[int, int]:
        """What goes in and what comes out."""
        return (
            self.inner if name == "narrow" else self.width,
            self.inner if name == "wide" else self.width,
        )


BUNDLED = BaseShape("all-MiniLM-L6-v2", BUNDLED_SHA256, width=384, inner=1536, layers=6)


class About(BaseModel):
    """What a file says of itself. `card`: anything worth knowing, such as data, settings and scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    rank: int = Field(ge=1, le=256)
    alpha: int = Field(ge=1)
    head_inner: int = Field(ge=1)
    trained_at: datetime
    base: str = BUNDLED.name
    base_sha256: str = BUNDLED.sha256
    base_width: int = BUNDLED.width
    card: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ReadingAdapter:
    """An adapter as loaded. `weights` by name: `layers.N.LINEAR.down` of shape (rank, in), `….up` of (out,
    rank), and `head.span|inner|outer.weight|bias`."""

    about: About
    sha256: str
    weights: Mapping[str, Weights]

    def change(self, layer: int, linear: str) -> NDArray[np.float32]:
        """What is added to the base's weight, shape (out, in): alpha / rank · up · down (Hu et al. 2021)."""
        up = self.weights[f"layers.{layer}.{linear}.up"].astype(np.float32)
        down = self.weights[f"layers.{layer}.{linear}.down"].astype(np.float32)
        return (up @ down) * np.float32(self.about.alpha / self.about.rank)

    def head(self, part: str) -> NDArray[np.float32]:
        """A weight or bias of the head, such as `span.weight`."""
        return self.weights[f"head.{part}"].astype(np.float32)


def save_adapter(
    path: Path,
    learned: "Mapping[str, Tensor]",
    about: About,
    *,
    precision: Literal["float16", "float32"] = "float16",
) -> str:
    """Writes the parameters that training changed, under the names of the network. Returns the file's hash.

    Raises:
        InputError: `adapter_names`, `adapter_shape` or `adapter_not_finite` when they are no such parameters;
            `adapter_too_large` when the file would be over 6 MB.
    """
    from safetensors.numpy import save

    weights: dict[str, Weights] = {}
    for name, value in learned.items():
        with np.errstate(over="ignore"):  # what overflows is refused below
            found = np.ascontiguousarray(value.detach().cpu().numpy().astype(precision))
        if not np.isfinite(found).all():
            raise InputError(f"{name} holds numbers that {precision} cannot.", code="adapter_not_finite")
        weights[_clean(name)] = found
    wrong = _wrong_weights(weights, about, BUNDLED)
    if wrong is not None:
        raise InputError(f"This is no whole adapter: {wrong}.", code="adapter_shape")
    metadata = {"format": FORMAT, "version": str(VERSION), "about": about.model_dump_json()}
    digest = _digest(metadata, weights)
    data = save(weights, {**metadata, "sha256": digest})
    if len(data) > MOST_BYTES:
        raise InputError(
            f"The adapter would be {len(data):,} bytes, over {MOST_BYTES:,}. Train with a lower rank.",
            code="adapter_too_large",
        )
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return digest


def load_adapter(path: Path, base: BaseShape = BUNDLED) -> ReadingAdapter:
    """Reads and checks an adapter for this base model.

    Raises:
        IntegrityError: `adapter_missing`, `adapter_not_safetensors`, `adapter_truncated`, `adapter_version`,
            `adapter_altered`, `adapter_other_width`, `adapter_other_base` or `adapter_shape`.
    """
    data = _whole(path)
    metadata = _metadata(path, data)
    if metadata.get("version") != str(VERSION):
        raise _refused(
            path,
            "version",
            f"its format has version {metadata.get('version')}; this Rung reads version {VERSION}",
        )
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        weights: dict[str, Weights] = load(data)
        about = About.model_validate_json(metadata["about"])
        digest = _digest({k: v for k, v in metadata.items() if k != "sha256"}, weights)
    except (SafetensorError, KeyError, ValidationError) as error:
        raise _refused(path, "altered", f"its description cannot be read ({type(error).__name__})") from error
    if digest != metadata.get("sha256"):
        raise _refused(path, "altered", "its hash is not the one that was written")
    if about.base_width != base.width:
        raise _refused(
            path,
            "other_width",
            f"it was trained on {about.base}, {about.base_width} numbers wide; {base.name} has {base.width}",
        )
    if about.base_sha256 != base.sha256:
        raise _refused(
            path,
            "other_base",
            f"it was trained on {about.base} with sha256 {about.base_sha256[:8]}…, not on {base.name} with "
            f"{base.sha256[:8]}…",
        )
    wrong = _wrong_weights(weights, about, base)
    if wrong is not None:
        raise _refused(path, "shape", wrong)
    return ReadingAdapter(about, digest, weights)


def _clean(name: str) -> str:
    """The file's name of a parameter: `bert.encoder.layer.0.attention.self.query.lora_A.default.weight` is
    `layers.0.query.down`."""
    if name.startswith("head."):
        return name
    parts = name.removeprefix("bert.").removeprefix("encoder.layer.").split(".")
    linear = _NETWORK_NAMES.get(".".join(parts[1:-3]))
    matrix = _MATRICES.get(parts[-3]) if len(parts) > 3 else None
    if linear is None or matrix is None:
        raise InputError(f"{name} is no parameter of a reading adapter.", code="adapter_names")
    return f"layers.{int(parts[0])}.{linear}.{matrix}"


def _shapes(about: About, base: BaseShape) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(base.layers):
        for linear in LINEARS:
            width_in, width_out = base.of_linear(linear)
            shapes[f"layers.{layer}.{linear}.down"] = (about.rank, width_in)
            shapes[f"layers.{layer}.{linear}.up"] = (width_out, about.rank)
    for part, width_in, width_out in (
        ("span", base.width, 2),
        ("inner", 3 * base.width, about.head_inner),
        ("outer", about.head_inner, 1),
    ):
        shapes[f"head.{part}.weight"] = (width_out, width_in)
        shapes[f"head.{part}.bias"] = (width_out,)
    return shapes


def _wrong_weights(weights: Mapping[str, Weights], about: About, base: BaseShape) -> str | None:
    expected = _shapes(about, base)
    if missing := sorted(expected.keys() - weights.keys()):
        return f"{missing[0]} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else "")
    if unknown := sorted(weights.keys() - expected.keys()):
        return f"{unknown[0]} is not part of one"
    for name, shape in expected.items():
        if weights[name].shape != shape:
            return f"{name} has shape {weights[name].shape}; rank {about.rank} on {base.name} needs {shape}"
        if weights[name].dtype not in (np.float16, np.float32) or not np.isfinite(weights[name]).all():
            return f"{name} is not made of finite numbers"
    return None


def _digest(metadata: Mapping[str, str], weights: Mapping[str, Weights]) -> str:
    digest = sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(weights):
        value = weights[name]
        digest.update(f"{name} {value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _whole(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(
            f"The reading adapter {path} cannot be read ({error.strerror}). Restore the file.",
            code="adapter_missing",
        ) from error


def _metadata(path: Path, data: bytes) -> dict[str, str]:
    """The metadata from the header: eight bytes of length, then JSON that says where each tensor ends."""
    (length,) = struct.unpack("<Q", data[:8]) if len(data) >= 8 else (0,)
    if not 2 <= length < 10_000_000 or data[8:9] not in (b"{", b""):
        raise _refused(path, "not_safetensors", "it is not a safetensors file")
    try:
        header = json.loads(data[8 : 8 + length])
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        metadata = dict(header.get("__metadata__", {}))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if len(data) < 8 + length:
            raise _refused(
                path, "truncated", f"it ends after {len(data)} bytes, inside its header"
            ) from error
        raise _refused(path, "not_safetensors", "its header is not that of a safetensors file") from error
    size = 8 + length + max(ends, default=0)
    if len(data) < size:
        raise _refused(path, "truncated", f"it holds {len(data):,} of {size:,} bytes")
    if metadata.get("format") != FORMAT:
        raise _refused(path, "not_safetensors", "it is not a reading adapter")
    return {str(key): str(value) for key, value in metadata.items()}


def _refused(path: Path, what: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"The reading adapter {path} cannot be used: {why}. Restore the file that came with Rung, or train "
        "one with `adapter train reader`.",
        code=f"adapter_{what}",
    )
