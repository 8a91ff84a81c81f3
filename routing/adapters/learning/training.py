"""Trains a LoRA adapter with peft on any Hugging Face causal language model, on a GPU where there is one.

The loss is on the answer's tokens alone. Every few minutes the state is written down; stopped, the same
training goes on from there. Imported only where something is trained: torch and peft take seconds.
"""

import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.core.errors import InputError, RungError
from routing.adapters.adapter import Progress, Report, TrainSettings
from routing.adapters.learning.batches import Tokens, make_batches, tokenise
from routing.adapters.learning.examples import Example
from routing.adapters.shelf import CHECKPOINT

_CHECKPOINT_SECONDS = 120.0
_WARM_UP = 0.06
_IGNORED = -100
_RECENT = 20
_TOKENS_AT_ONCE = 8_192
"""A batch is computed in parts of at most this many tokens, so that a long one fits into memory."""

_ALPHA = 2
"""alpha is twice the rank, so that a learning rate means the same at every rank."""


class TrainingError(RungError):
    """Training came to nothing; what was there before is as it was."""

    title, default_code = "Training failed", "training_failed"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training did. `too_long` examples were left out; `used` are the positions of the others."""

    steps: int
    loss: float
    seconds: float
    tokens: int
    used: tuple[int, ...]
    too_long: int
    device: str


def train(
    base_dir: Path, examples: Sequence[Example], settings: TrainSettings, folder: Path, report: Report
) -> Trained:
    """Trains and writes `adapter_config.json` and `adapter_model.safetensors` into the folder.

    Raises:
        InputError: `bad_base`, `no_chat_template`, `examples_too_long`.
        TrainingError: `training_failed`, where the loss is no number any more.
    """
    report(Progress("Reading the base model", 0, 1))
    tokenizer, model = _load(base_dir, settings)
    material = [tokenise(tokenizer, example) for example in examples]
    used = tuple(i for i, tokens in enumerate(material) if len(tokens.ids) <= settings.tokens)
    if not used:
        raise InputError(
            f"Every example is longer than {settings.tokens:,} tokens. Give a higher --tokens.",
            code="examples_too_long",
        )
    run = _Run(model, [material[i] for i in used], settings, folder)
    started = time.monotonic()
    loss = run.train(report)
    model.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    return Trained(
        steps=run.step,
        loss=loss,
        seconds=time.monotonic() - started,
        tokens=sum(len(material[i].ids) for i in used),
        used=used,
        too_long=len(material) - len(used),
        device=run.device,
    )


class _Run:
    """One training, from its last checkpoint on."""

    def __init__(self, model: Any, material: Sequence[Tokens], settings: TrainSettings, folder: Path) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.step = 0
        self._losses: list[float] = []
        self._settings = settings
        self._material = material
        self._folder = folder
        self._model = model.to(self.device)
        self._learned = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(
            self._learned.values(), lr=settings.learning_rate, weight_decay=0.0
        )
        self._batches = make_batches(
            [len(tokens.ids) for tokens in material],
            batch=settings.batch,
            epochs=settings.epochs,
            seed=settings.seed,
        )
        self._plan = _plan(material, settings)
        self._resume()

    def train(self, report: Report) -> float:
        """Takes the steps that are left; returns the mean loss of the last ones."""
        losses = self._losses
        saved = time.monotonic()
        self._model.train()
        for batch in self._batches[self.step :]:
            losses.append(self._learn([self._material[i] for i in batch]))
            self.step += 1
            recent = losses[-_RECENT:]
            report(
                Progress("Training", self.step, len(self._batches), f"loss {sum(recent) / len(recent):.3f}")
            )
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
        self._save()
        last = losses[-_RECENT:]
        return sum(last) / len(last)

    def _learn(self, batch: Sequence[Tokens]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * _schedule(self.step, len(self._batches))
        learned = sum(len(tokens.ids) - tokens.answer_start for tokens in batch)
        value = 0.0
        for part in parts(batch):
            ids, mask, labels = (tensor.to(self.device) for tensor in pad(part))
            share = sum(len(tokens.ids) - tokens.answer_start for tokens in part) / learned
            loss = self._model(input_ids=ids, attention_mask=mask, labels=labels).loss * share
            loss.backward()
            value += float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} at step {self.step + 1}. Try a lower --learning-rate.",
                code="training_failed",
            )
        torch.nn.utils.clip_grad_norm_(self._learned.values(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return value

    def _save(self) -> None:
        state = {
            "plan": self._plan,
            "step": self.step,
            "losses": self._losses[-_RECENT:],
            "weights": {name: p.detach().cpu() for name, p in self._learned.items()},
            "optimizer": self._optimizer.state_dict(),
        }
        temporary = self._folder / f"{CHECKPOINT}.part"
        torch.save(state, temporary)
        temporary.replace(self._folder / CHECKPOINT)

    def _resume(self) -> None:
        """Goes on from a checkpoint of the same examples and settings; of others it begins anew."""
        file = self._folder / CHECKPOINT
        if not file.is_file():
            return
        state = torch.load(file, map_location="cpu", weights_only=True)
        if state["plan"] != self._plan:
            return
        with torch.no_grad():
            for name, value in state["weights"].items():
                self._learned[name].copy_(value)
        self._optimizer.load_state_dict(state["optimizer"])
        self._losses = [float(loss) for loss in state["losses"]]
        self.step = int(state["step"])


def parts(batch: Sequence[Tokens]) -> list[list[Tokens]]:
    """The batch cut into parts that fit into memory; an example that is too long is a part of its own."""
    found: list[list[Tokens]] = [[]]
    for tokens in batch:
        longest = max(len(t.ids) for t in (*found[-1], tokens))
        if found[-1] and longest * (len(found[-1]) + 1) > _TOKENS_AT_ONCE:
            found.append([])
        found[-1].append(tokens)
    return found


def pad(batch: Sequence[Tokens]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and labels of a batch, (examples, longest) each, padded on the right; what is not the answer
    has a label that the loss leaves out."""
    longest = max(len(tokens.ids) for tokens in batch)
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, _IGNORED)
    for row, tokens in enumerate(batch):
        end = len(tokens.ids)
        ids[row, :end] = torch.tensor(tokens.ids)
        mask[row, :end] = 1
        labels[row, tokens.answer_start : end] = ids[row, tokens.answer_start : end]
    return ids, mask, labels


def _load(base_dir: Path, settings: TrainSettings) -> tuple[Any, Any]:
    """The tokenizer, and the model with a fresh adapter on all its linear layers."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()

    torch.manual_seed(settings.seed)
    kind = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(base_dir), local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(str(base_dir), local_files_only=True, dtype=kind)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(f"{base_dir} cannot be used as a base: {error}", code="bad_base") from error
    model.config.use_cache = False
    if torch.cuda.is_available():
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=_ALPHA * settings.rank,
        # Dropout makes training several times slower on a processor and helped nothing at these sizes.
        lora_dropout=0.0,
        target_modules="all-linear",
        base_model_name_or_path=str(base_dir),
    )
    with warnings.catch_warnings():
        # peft still looks at a name that transformers is about to drop.
        warnings.simplefilter("ignore", FutureWarning)
        return tokenizer, get_peft_model(model, config)


def _schedule(step: int, steps: int) -> float:
    """The share of the learning rate: up in the first steps, then down along a cosine to a tenth."""
    warm_up = max(1, round(steps * _WARM_UP))
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def _plan(material: Sequence[Tokens], settings: TrainSettings) -> str:
    """Names a training: the same examples in the same order with the same settings."""
    found = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    for tokens in material:
        found.update(json.dumps([tokens.answer_start, *tokens.ids]).encode())
    return found.hexdigest()
