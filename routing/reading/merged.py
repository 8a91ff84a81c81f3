"""The reading model as it answers: the adapter merged into the base's weights, in int8 or float32.

Rows of any length stand one after another as one long list of tokens, so nothing is computed for padding
and a row's scores do not depend on the rows beside it. Only attention looks at one row at a time.
"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as nn
from torch import Tensor

from retrieval.minilm import Base
from routing.reading.artefact import ReadingAdapter
from routing.reading.pairs import Pair
from routing.reading.scores import PairScores

Precision = Literal["int8", "float32"]

Linear = Callable[[Tensor], Tensor]

_LEAST_GELU = 0.17
"""GELU is nowhere under -0.17."""


def best_precision() -> Precision:
    """int8 where torch has integer kernels that were measured to pay: x86 with oneDNN."""
    fast = platform.machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return "int8" if fast else "float32"


class Float32Linear:
    """A linear layer as it is."""

    def __init__(self, weight: Tensor, bias: Tensor, *, least: float | None = None) -> None:
        del least
        self._weight, self._bias = weight.contiguous(), bias

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (tokens, in) to (tokens, out)."""
        return nn.linear(x, self._weight, self._bias)


class Int8Linear:
    """A linear layer in integers: weights in 7 bits, one scale an output; inputs in 8 bits, one scale a
    token.

    Not 8 and 8 bits: on processors without VNNI the kernel adds two products in 16 bits, and 255 * 127 * 2
    does not fit into those; 255 * 63 * 2 does. So every processor computes the same.

    Args:
        weight: shape (out, in).
        least: no input is under minus this; all 8 bits then serve the range that inputs have.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, least: float | None = None) -> None:
        self._scale = weight.abs().amax(1).clamp(min=1e-12) / 63
        rounded = (weight / self._scale[:, None]).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self._zero = torch.zeros(len(weight), dtype=torch.long)
        self._least = least
        if least is not None:
            bias = bias - least * rounded.sum(1, dtype=torch.int64) * self._scale
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (tokens, in) to (tokens, out)."""
        if self._least is None:
            scale = x.abs().amax(1, keepdim=True).div_(127).clamp_(min=1e-12)
            rounded = x.mul(1 / scale)
        else:
            scale = x.amax(1, keepdim=True).add_(self._least).div_(255).clamp_(min=1e-12)
            rounded = x.add(self._least).mul_(1 / scale).sub_(128)
        # To uint8 by way of int8: torch converts to that ten times as fast. Flipping the sign bit adds 128.
        bits = rounded.round_().to(torch.int8).view(torch.uint8).bitwise_xor_(128)
        zero = 128 if self._least is None else 0
        weight = (self._packed, self._scale, self._zero)
        result: tuple[object, ...] = (1.0, 0, torch.float32, "none", [], "")
        found: Tensor = torch.ops.onednn.qlinear_pointwise(bits, 1.0, zero, *weight, None, *result)
        return torch.addcmul(self._bias, found, scale)


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return nn.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class _Layer:
    heads: int
    attention_in: Linear
    attention_out: Linear
    attention_norm: _Norm
    wide: Linear
    narrow: Linear
    norm: _Norm

    def __call__(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """Shape (tokens of all rows, width)."""
        split = self.attention_in(x).view(len(x), 3, self.heads, -1)
        seen = []
        for row in torch.split(split, list(sizes)):
            query, key, value = row.permute(1, 2, 0, 3)[:, None]
            found = nn.scaled_dot_product_attention(query, key, value)
            seen.append(found[0].transpose(0, 1).reshape(len(row), -1))
        x = self.attention_norm(self.attention_out(torch.cat(seen)).add_(x))
        return self.norm(self.narrow(nn.gelu(self.wide(x))).add_(x))


class MergedReader:
    """The reading model, ready to run from any thread.

    Args:
        base: its word and position embeddings are shared, not copied.
    """

    def __init__(self, base: Base, adapter: ReadingAdapter, precision: Precision) -> None:
        self._linear: type[Int8Linear] | type[Float32Linear] = (
            Int8Linear if precision == "int8" else Float32Linear
        )
        self._words = base.weights["embeddings.word_embeddings.weight"]
        self._places = base.weights["embeddings.position_embeddings.weight"]
        self._types = base.weights["embeddings.token_type_embeddings.weight"]
        self._norm = _norm(base, "embeddings.LayerNorm")
        with torch.inference_mode():
            self._layers = [self._layer(base, adapter, number) for number in range(base.layers)]
        self._head = {
            f"{layer}.{part}": torch.from_numpy(adapter.head(f"{layer}.{part}"))
            for layer in ("span", "inner", "outer")
            for part in ("weight", "bias")
        }

    @property
    def most_tokens(self) -> int:
        """A longer row has no positions."""
        return len(self._places)

    @torch.inference_mode()
    def scores(self, pairs: Sequence[Pair]) -> list[PairScores]:
        """The scores of each row, in their order. Rows are computed together: give few at once."""
        sizes = [len(pair.ids) for pair in pairs]
        ids = torch.tensor([number for pair in pairs for number in pair.ids])
        types = torch.tensor([number for pair in pairs for number in pair.types])
        places = torch.cat([self._places[:size] for size in sizes])
        x = self._norm((self._words[ids] + self._types[types]).add_(places))
        for layer in self._layers:
            x = layer(x, sizes)
        return [self._row(pair, states) for pair, states in zip(pairs, torch.split(x, sizes), strict=True)]

    def _row(self, pair: Pair, states: Tensor) -> PairScores:
        head, last = self._head, pair.first + len(pair.starts)
        spans = nn.linear(states, head["span.weight"], head["span.bias"])
        asked = states[1 : pair.types.index(1) - 1]
        read = states[pair.first : last]
        pooled = torch.cat(
            (
                states[0],
                asked.mean(0) if len(asked) else torch.zeros_like(states[0]),
                read.amax(0) if len(read) else torch.full_like(states[0], -1e4),
            )
        )
        inner = nn.gelu(nn.linear(pooled, head["inner.weight"], head["inner.bias"]))
        return PairScores(
            starts=spans[pair.first : last, 0].numpy().copy(),
            ends=spans[pair.first : last, 1].numpy().copy(),
            no_start=float(spans[0, 0]),
            no_end=float(spans[0, 1]),
            nothing=float(nn.linear(inner, head["outer.weight"], head["outer.bias"])[0]),
        )

    def _layer(self, base: Base, adapter: ReadingAdapter, number: int) -> _Layer:
        name = f"encoder.layer.{number}"

        def merged(ours: str, published: str) -> tuple[Tensor, Tensor]:
            """W + alpha / rank · up · down, in float32."""
            change = torch.from_numpy(adapter.change(number, ours))
            weights = base.weights
            return weights[f"{name}.{published}.weight"] + change, weights[f"{name}.{published}.bias"]

        def linear(ours: str, published: str, least: float | None = None) -> Linear:
            return self._linear(*merged(ours, published), least=least)

        sides = [merged(side, f"attention.self.{side}") for side in ("query", "key", "value")]
        return _Layer(
            heads=base.heads,
            attention_in=self._linear(torch.cat([w for w, _ in sides]), torch.cat([b for _, b in sides])),
            attention_out=linear("attention_out", "attention.output.dense"),
            attention_norm=_norm(base, f"{name}.attention.output.LayerNorm"),
            wide=linear("wide", "intermediate.dense"),
            narrow=linear("narrow", "output.dense", least=_LEAST_GELU),
            norm=_norm(base, f"{name}.output.LayerNorm"),
        )


def _norm(base: Base, name: str) -> _Norm:
    return _Norm(base.weights[f"{name}.weight"], base.weights[f"{name}.bias"], base.epsilon)
