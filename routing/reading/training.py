"""Trains the reading adapter. Runs on a CPU in an hour or two, on a GPU in minutes; stopped, it goes on
where it was.

Every pass draws its examples anew from a seed, so a run that was stopped and one that was not see the same
rows. The weights kept are the moving average of those of the last steps, which reads better than the last
step's.
"""

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from app.core.errors import ConflictError
from routing.reading.examples import Example, Material
from routing.reading.network import ReadingNetwork
from routing.reading.pairs import Pair, make_pairs, tokens_of
from routing.reading.variation import gap_questions, near_miss, other_passage, without_answer


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train. `passes` are over the real examples; shares are of the answerable ones, drawn for each
    pass.

    After the first pass, sets without unanswerable questions of their own count with `later_share` of their
    rows: telling what is answered from what is not is the harder part.
    """

    rank: int = 32
    alpha: int = 64
    passes: int = 3
    learning_rate: float = 8e-4
    warm_up: float = 0.06
    weight_decay: float = 0.01
    average: float = 0.995
    batch: int = 16
    text_tokens: int = 192
    other_passages: float = 0.2
    without_answer: float = 0.1
    near_misses: float = 0.2
    first_gap_questions: int = 3_000
    gap_questions: int = 300
    later_share: float = 0.33
    head_weight: float = 0.5
    seed: int = 7
    threads: int = 0
    checkpoint_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `loss` is the mean of the last steps."""

    step: int
    steps: int
    loss: float
    examples_per_second: float


@dataclass(frozen=True, slots=True)
class Row:
    """A pair with the positions of its answers; none where it does not answer."""

    pair: Pair
    spans: tuple[tuple[int, int], ...]


class Trainer:
    """One training run, kept in a folder so that it can go on after a stop."""

    def __init__(
        self,
        base: Path,
        folder: Path,
        material: Sequence[Material],
        settings: TrainingSettings,
        *,
        resume: bool = True,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._material = [m for m in material if not m.tuning]
        self._with_unanswerable = {m.set for m in self._material if not m.example.spans}
        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = ReadingNetwork(base, rank=settings.rank, alpha=settings.alpha).to(self._device)
        self._learned = self.network.learned()
        self._average = {name: value.detach().clone() for name, value in self._learned.items()}
        self._optimizer = torch.optim.AdamW(
            self._learned.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if resume and self._checkpoint.is_file():
            self._resume()

    @property
    def _kind(self) -> dict[str, object]:
        """The settings that decide what is learned; threads and checkpoints may differ from one start to
        the next."""
        return {k: v for k, v in asdict(self._settings).items() if k not in ("threads", "checkpoint_seconds")}

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.pt"

    def run(self, report: Callable[[Progress], None]) -> dict[str, Tensor]:
        """Trains to the end and returns the averaged weights."""
        settings, seen, losses, begun, saved = self._settings, 0, [], time.monotonic(), time.monotonic()
        # The passes differ in length; their batches are counted first, so that the learning rate knows the
        # end.
        lengths = [len(self._batches(number)) for number in range(settings.passes)]
        steps = sum(lengths)
        done = 0
        for number in range(settings.passes):
            if self._step >= done + lengths[number]:
                done += lengths[number]
                continue
            for batch in self._batches(number)[self._step - done :]:
                losses.append(self._learn(batch, steps))
                seen += len(batch)
                if self._step % 20 == 0 or self._step == steps:
                    report(
                        Progress(
                            self._step,
                            steps,
                            sum(losses[-60:]) / len(losses[-60:]),
                            seen / (time.monotonic() - begun),
                        )
                    )
                if time.monotonic() - saved > settings.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
            done += lengths[number]
        self._save()
        return {name: value.cpu() for name, value in self._average.items()}

    def _learn(self, batch: Sequence[Row], steps: int) -> float:
        warm = max(1, round(steps * self._settings.warm_up))
        share = self._step / warm if self._step < warm else max(0.0, (steps - self._step) / (steps - warm))
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * max(share, 1e-3)
        loss = self.loss(batch)
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self._learned.values(), 1.0)
        self._optimizer.step()
        self._step += 1
        # Early on the average follows quickly, so that it forgets where the weights began.
        keep = min(self._settings.average, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            for name, value in self._learned.items():
                self._average[name].lerp_(value.detach(), 1 - keep)
        return float(loss.detach())

    def loss(self, batch: Sequence[Row]) -> Tensor:
        """Negative log of the probability of any right span, or of no answer; and the no-answer score's
        error."""
        tensors = collate([row.pair for row in batch], self._device)
        spans, nothing = self.network(*tensors)
        allowed = tensors[4].clone()
        allowed[:, 0] = True
        log = torch.log_softmax(spans.float().masked_fill(~allowed[..., None], -1e4), dim=1)
        right = []
        for number, row in enumerate(batch):
            places = row.spans or ((0, 0),)
            scores = torch.stack([log[number, s, 0] + log[number, e, 1] for s, e in places])
            right.append(torch.logsumexp(scores, 0))
        empty = torch.tensor([0.0 if row.spans else 1.0 for row in batch], device=self._device)
        head = torch.nn.functional.binary_cross_entropy_with_logits(nothing.float(), empty)
        return -torch.stack(right).mean() / 2 + self._settings.head_weight * head

    def rows(self, examples: Sequence[Example]) -> list[Row]:
        """The examples as rows; of a passage longer than one row, the row that holds an answer or else the
        first."""
        questions = tokens_of(self._tokenizer, [e.question for e in examples])
        titles = tokens_of(self._tokenizer, [e.title for e in examples])
        texts = tokens_of(self._tokenizer, [e.text for e in examples])
        rows = []
        for example, question, title, text in zip(examples, questions, titles, texts, strict=True):
            size = self._settings.text_tokens
            found = [
                Row(pair, tuple(p for s, e in example.spans if (p := pair.positions(s, e)) is not None))
                for pair in make_pairs(question, title, text, at_most=size, stride=size // 4)
            ]
            usable = [row for row in found if row.spans] or ([] if example.spans else found[:1])
            rows.extend(usable[:1])
        return rows

    def _batches(self, number: int) -> list[list[Row]]:
        """A pass's batches: rows of like length together, the batches in any order."""
        draw = random.Random(self._settings.seed * 1000 + number)  # noqa: S311
        rows = self.rows(self._draw(number, draw))
        draw.shuffle(rows)
        rows.sort(key=lambda row: len(row.pair.ids) // 24)
        size = self._settings.batch
        batches = [rows[i : i + size] for i in range(0, len(rows), size)]
        draw.shuffle(batches)
        return batches

    def _draw(self, number: int, draw: random.Random) -> list[Example]:
        settings = self._settings
        chosen = [
            m
            for m in self._material
            if number == 0 or m.set in self._with_unanswerable or draw.random() < settings.later_share
        ]
        examples = [m.example for m in chosen]
        for material in chosen:
            if not material.example.spans:
                continue
            if draw.random() < settings.other_passages and (other := other_passage(material, draw)):
                examples.append(other)
            if draw.random() < settings.without_answer and (less := without_answer(material.example)):
                examples.append(less)
            if draw.random() < settings.near_misses and (miss := near_miss(material.example, draw)):
                examples.append(miss)
        texts = [(m.example.title, m.example.text) for m in self._material]
        texts += [other for m in self._material for other in m.others[:1]]
        count = settings.gap_questions if number else settings.first_gap_questions
        return [self._untitled(e, draw) for e in (*examples, *gap_questions(texts, count, draw))]

    def _untitled(self, example: Example, draw: random.Random) -> Example:
        """Now and then without its title, so that reading does not depend on one."""
        return Example(example.question, "", example.text, example.spans) if draw.random() < 0.2 else example

    def _save(self) -> None:
        state = {
            "settings": self._kind,
            "step": self._step,
            "learned": {name: value.detach() for name, value in self._learned.items()},
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
        }
        part = self._checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self._checkpoint)

    def _resume(self) -> None:
        state = torch.load(self._checkpoint, map_location=self._device, weights_only=True)
        if state["settings"] != self._kind:
            raise ConflictError(
                f"{self._folder} holds a run with other settings ({json.dumps(state['settings'])}). Go on "
                "with those, or choose another folder.",
                code="other_training_run",
            )
        with torch.no_grad():
            for name, value in self._learned.items():
                value.copy_(state["learned"][name])
                self._average[name].copy_(state["average"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step = state["step"]


def collate(pairs: Sequence[Pair], device: str = "cpu") -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ids, types, and the masks of real tokens, of the question and of the passage, each (pairs, tokens)."""
    width = max(len(pair.ids) for pair in pairs)
    ids = torch.zeros(len(pairs), width, dtype=torch.long)
    types = torch.zeros_like(ids)
    real, question, passage = (torch.zeros(len(pairs), width, dtype=torch.bool) for _ in range(3))
    for row, pair in enumerate(pairs):
        size = len(pair.ids)
        ids[row, :size] = torch.tensor(pair.ids)
        types[row, :size] = torch.tensor(pair.types)
        real[row, :size] = True
        question[row, 1 : pair.types.index(1) - 1] = True
        passage[row, pair.first : pair.first + len(pair.starts)] = True
    return ids.to(device), types.to(device), real.to(device), question.to(device), passage.to(device)


def batches_of(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    """The rows, so many at a time."""
    for start in range(math.ceil(len(rows) / size)):
        yield rows[start * size : (start + 1) * size]
