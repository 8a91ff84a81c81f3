"""The model card that stands beside an adapter's weights: what it is made of, how, and whom it may serve."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from routing.adapters.adapter import ExampleCounts
from routing.adapters.store import NewVersion

if TYPE_CHECKING:
    from routing.adapters.learning.training import Trained


@dataclass(frozen=True, slots=True)
class Card:
    """The facts of one training: counts alone, no text of a question, an answer or a document."""

    name: str
    version: NewVersion
    counts: ExampleCounts
    trained: "Trained"
    made_at: datetime

    def summary(self) -> str:
        """One line for the list of events."""
        return (
            f"{self.version.examples} examples of {len(self.version.documents)} documents, "
            f"{self.trained.steps} steps, loss {self.trained.loss:.3f}; could serve {self.counts.serves} of "
            f"{self.counts.people} people"
        )

    def text(self) -> str:
        version, counts, trained = self.version, self.counts, self.trained
        training = ", ".join(f"{k} {v}" for k, v in version.settings["training"].items())
        filters = ", ".join(f"{k} {v}" for k, v in version.settings["filters"].items() if v) or "none"
        dropped = "".join(f"\n- {n} left out: {reason}" for reason, n in counts.dropped)
        return f"""# {self.name} v{version.version}

A LoRA adapter in peft's format, made by Rung on {self.made_at:%Y-%m-%d %H:%M} UTC.

## Base model

{version.base_model}, sha256 of configuration and weights `{version.base_sha256}`. It fits no other.

## Data

- {version.examples} examples of {len(version.documents)} documents; of all there are, {counts.accepted}
  answers that people marked good and {counts.premium} answers of the premium model
- {counts.held_out} more are held out for judging and were not trained on
- {trained.too_long} were longer than {version.settings["training"]["tokens"]} tokens{dropped}
- filters: {filters}
- prompt: {version.prompt_id}, as the local rung sends it; only the answer was learned

## Settings

{training}. {trained.steps} steps over {trained.tokens:,} tokens in {trained.seconds:.0f} seconds on
{trained.device}; the loss of the last steps was {trained.loss:.3f}.

## Whom it may serve

Only people who may read every one of its {len(version.documents)} documents at the moment they ask. When it
was made these were {counts.serves} of {counts.people} people. A document that is deleted counts as readable
by nobody.

## Scores

None yet: `python -m app adapter judge {self.name} --version {version.version}` compares it with what is in
service on the held-out questions; `python -m app adapter show {self.name}` shows the result.

## Limits

It learned this company's way of answering from passages, not facts to be trusted without them: its answers'
citations are checked like any other's. What it saw in training may show in what it says, which is why access
goes by all of its documents.
"""
