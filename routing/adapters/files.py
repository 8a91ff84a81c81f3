"""An adapter's files: read and checked without loading a weight, so that nothing broken reaches the server.

The widths are checked here because the server does not: vLLM 0.32 loads an adapter of half the base's width
without a word and then answers with noise.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import InputError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_MATRIX = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_LONGEST_HEADER = 100_000_000
_BLOCK = 1 << 20

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """A LoRA adapter on disk. `widths` maps a module of the base to its (out, in) widths.

    `sha256` covers the configuration and the weights. `base_name` is the last part of the base's name or
    folder.
    """

    folder: Path
    rank: int
    base_name: str
    widths: Mapping[str, tuple[int, int]]
    size_bytes: int
    sha256: str


def read_adapter(folder: Path) -> AdapterFiles:
    """Reads what an adapter says of itself.

    Raises:
        InputError: `adapter_missing`, `bad_adapter`, `not_lora`, `truncated_adapter`.
    """
    weights, config_file = folder / WEIGHTS, folder / CONFIG
    if not folder.is_dir() or not config_file.is_file() or not weights.is_file():
        raise InputError(
            f"{folder} holds no adapter: {CONFIG} and {WEIGHTS} must stand in it. Put the folder back, or "
            "train the adapter again.",
            code="adapter_missing",
        )
    config = _json_object(config_file)
    rank = _check_lora(config_file, config)
    widths = _widths(weights, rank)
    return AdapterFiles(
        folder=folder,
        rank=rank,
        base_name=last_part(str(config.get("base_model_name_or_path") or "")),
        widths=widths,
        size_bytes=weights.stat().st_size + config_file.stat().st_size,
        sha256=digest(config_file, weights),
    )


def check_fits(adapter: AdapterFiles, base_dir: Path) -> None:
    """Compares the adapter's widths with those of the base model in a folder.

    Raises:
        InputError: `bad_base`, `unknown_target`, `width_mismatch`.
    """
    base = base_shapes(base_dir)
    for module, (out_width, in_width) in sorted(adapter.widths.items()):
        shape = base.get(f"{module}.weight")
        if shape is None:
            # A quantised base packs its matrices, whose widths then say nothing.
            if any(name.startswith(f"{module}.") for name in base):
                continue
            raise InputError(
                f"{adapter.folder.name} changes {module}, which {base_dir.name} does not have. It was made "
                f"for another base model; train it on {base_dir.name}.",
                code="unknown_target",
            )
        if shape != (out_width, in_width):
            raise InputError(
                f"{adapter.folder.name} is {out_width} by {in_width} wide at {module}, {base_dir.name} is "
                f"{' by '.join(map(str, shape))}. It was made for another base model; train it on "
                f"{base_dir.name}.",
                code="width_mismatch",
            )


def base_shapes(base_dir: Path) -> Shapes:
    """The shape of every tensor of a base model, from its safetensors' headers.

    Raises:
        InputError: `bad_base`.
    """
    shapes: Shapes = {}
    for file in _base_files(base_dir):
        try:
            shapes |= tensor_shapes(file)
        except InputError as error:
            raise InputError(
                f"{base_dir} cannot be used as a base: {error.message}", code="bad_base"
            ) from error
    return shapes


def base_digest(base_dir: Path) -> str:
    """One hash over a base model's configuration and weights; it reads all of them.

    Raises:
        InputError: `bad_base`.
    """
    return digest(base_dir / "config.json", *_base_files(base_dir))


def tensor_shapes(file: Path) -> Shapes:
    """The shapes in a safetensors file, after checking that the file is whole.

    Raises:
        InputError: `truncated_adapter`.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, _LONGEST_HEADER)))
        header.pop("__metadata__", None)
        promised = 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        shapes = {name: tuple(map(int, tensor["shape"])) for name, tensor in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InputError(
            f"{file} is not a whole safetensors file: {error}. Copy or train it again.",
            code="truncated_adapter",
        ) from error
    if promised != size:
        raise InputError(
            f"{file} is not whole: it has {size:,} bytes, its header promises {promised:,}. Copy or train it "
            "again.",
            code="truncated_adapter",
        )
    return shapes


def digest(*files: Path) -> str:
    """The sha256 over these files' contents, one after the other, each with its length in front."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.stat().st_size.to_bytes(8))
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
    return found.hexdigest()


def last_part(name: str) -> str:
    """`Qwen2.5-7B` of `org/Qwen2.5-7B` and of `/models/Qwen2.5-7B/`."""
    return name.rstrip("/").rpartition("/")[2]


def _base_files(base_dir: Path) -> list[Path]:
    files = sorted(base_dir.glob("*.safetensors")) if base_dir.is_dir() else []
    if not files or not (base_dir / "config.json").is_file():
        raise InputError(
            f"{base_dir} holds no base model: a Hugging Face folder with config.json and *.safetensors is "
            "needed.",
            code="bad_base",
        )
    return files


def _json_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}.", code="bad_adapter") from error
    if not isinstance(found, dict):
        raise InputError(f"{file} is not a JSON object.", code="bad_adapter")
    return found


def _check_lora(file: Path, config: Mapping[str, Any]) -> int:
    kind, rank = config.get("peft_type"), config.get("r")
    extras = [name for name in ("use_dora", "modules_to_save", "rank_pattern") if config.get(name)]
    if config.get("bias", "none") != "none":
        extras.append("bias")
    if kind != "LORA" or extras:
        what = f"it uses {' and '.join(extras)}" if kind == "LORA" else f"its peft_type is {kind}"
        raise InputError(f"{file.parent} is not a plain LoRA adapter: {what}.", code="not_lora")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise InputError(f"{file}: r must be a whole number from 1, not {rank!r}.", code="bad_adapter")
    return rank


def _widths(weights: Path, rank: int) -> dict[str, tuple[int, int]]:
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for module, side, shape in _matrices(weights):
        sides.setdefault(module, {})[side] = shape
    widths = {}
    for module, found in sides.items():
        down, up = found.get("A", ()), found.get("B", ())
        if len(down) != 2 or len(up) != 2 or down[0] != rank or up[1] != rank:
            raise InputError(
                f"{weights}: the matrices of {module} are {down} and {up}, which is no LoRA of rank {rank}.",
                code="bad_adapter",
            )
        widths[module] = (up[0], down[1])
    if not widths:
        raise InputError(f"{weights} holds no LoRA matrices.", code="bad_adapter")
    return widths


def _matrices(weights: Path) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    for name, shape in tensor_shapes(weights).items():
        match = _MATRIX.fullmatch(name)
        if match is None:
            raise InputError(f"{weights} holds {name}, which is no LoRA matrix of peft's.", code="not_lora")
        yield match["module"], match["side"], shape
