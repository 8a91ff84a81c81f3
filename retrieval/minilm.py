"""all-MiniLM-L6-v2 in plain torch: six BERT layers, mean pooling, length one.

The same numbers as `sentence-transformers` gives for the same weights (a test compares them), without its
import, which takes several times as long as torch's own and some 200 MB. Source of the architecture: Devlin
et al. 2018 (BERT), Reimers and Gurevych 2019 (pooling).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

_BATCH_TOKENS = 2048
"""Tokens in one pass, padding included. More is no faster on a CPU and takes more memory."""

_ALONE_TOKENS = 256
"""Up to here a pass is shorter than what its threads lose by waiting for each other on busy cores."""


@dataclass(frozen=True, slots=True)
class Base:
    """The weights as published, by their names in the file. They are mapped from it, not copied: every use of
    them shares one copy in memory."""

    weights: Mapping[str, Tensor]
    width: int
    heads: int
    layers: int
    epsilon: float


def load_base(folder: Path) -> Base:
    """A BERT encoder from a folder with `config.json` and `model.safetensors`."""
    config = json.loads((folder / "config.json").read_text())
    return Base(
        weights=load_file(folder / "model.safetensors"),
        width=int(config["hidden_size"]),
        heads=int(config["num_attention_heads"]),
        layers=int(config["num_hidden_layers"]),
        epsilon=float(config["layer_norm_eps"]),
    )


@dataclass(frozen=True, slots=True)
class _Dense:
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return nn.linear(x, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return nn.layer_norm(x, (x.shape[-1],), self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class _Layer:
    heads: int
    attention_in: _Dense
    attention_out: _Dense
    attention_norm: _Norm
    wide: _Dense
    narrow: _Dense
    norm: _Norm

    def __call__(self, x: Tensor, mask: Tensor | None) -> Tensor:
        texts, tokens, width = x.shape
        split = self.attention_in(x).view(texts, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = nn.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = self.attention_norm(x + self.attention_out(seen.transpose(1, 2).reshape(texts, tokens, width)))
        return self.norm(x + self.narrow(nn.gelu(self.wide(x))))


class MiniLm:
    """The encoder, ready to run from any thread.

    Args:
        threads: for one pass over many tokens; 0 means one per core.
    """

    def __init__(self, base: Base, *, threads: int = 0) -> None:
        self._threads = threads or torch.get_num_threads()
        weights, heads, epsilon = base.weights, base.heads, base.epsilon
        self.dimensions = base.width
        self._words = weights["embeddings.word_embeddings.weight"]
        # Every text is of the first of BERT's two types.
        self._places = (
            weights["embeddings.position_embeddings.weight"]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _norm(weights, "embeddings.LayerNorm", epsilon)
        self._layers = [
            _layer(weights, f"encoder.layer.{number}", heads, epsilon) for number in range(base.layers)
        ]

    def encode(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dimensions), length one, for token ids with their special tokens."""
        small = sum(map(len, texts)) <= _ALONE_TOKENS
        torch.set_num_threads(1 if small else self._threads)  # counts for the calling thread
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        longest_first = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        start = 0
        while start < len(texts):
            size = max(1, _BATCH_TOKENS // len(texts[longest_first[start]]))
            batch = longest_first[start : start + size]
            vectors[batch] = self._encode_batch([texts[i] for i in batch])
            start += size
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, texts: list[Sequence[int]]) -> NDArray[np.float32]:
        lengths = torch.tensor([len(text) for text in texts])
        width = int(lengths.max())
        ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts])
        real = torch.arange(width) < lengths[:, None]
        mask = None if bool(real.all()) else real[:, None, None, :]
        x = self._norm(self._words[ids] + self._places[:width])
        for layer in self._layers:
            x = layer(x, mask)
        weights = real[:, :, None].to(x.dtype)
        mean = (x * weights).sum(1) / lengths[:, None]
        found: NDArray[np.float32] = nn.normalize(mean, dim=1).numpy()
        return found


def _layer(weights: Mapping[str, Tensor], name: str, heads: int, epsilon: float) -> _Layer:
    sides = [f"{name}.attention.self.{side}" for side in ("query", "key", "value")]
    return _Layer(
        heads=heads,
        attention_in=_Dense(
            torch.cat([weights[f"{side}.weight"] for side in sides]),
            torch.cat([weights[f"{side}.bias"] for side in sides]),
        ),
        attention_out=_dense(weights, f"{name}.attention.output.dense"),
        attention_norm=_norm(weights, f"{name}.attention.output.LayerNorm", epsilon),
        wide=_dense(weights, f"{name}.intermediate.dense"),
        narrow=_dense(weights, f"{name}.output.dense"),
        norm=_norm(weights, f"{name}.output.LayerNorm", epsilon),
    )


def _dense(weights: Mapping[str, Tensor], name: str) -> _Dense:
    return _Dense(weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(weights: Mapping[str, Tensor], name: str, epsilon: float) -> _Norm:
    return _Norm(weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)
