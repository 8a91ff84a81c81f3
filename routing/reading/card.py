"""The model card of a reading adapter: what it is made of, how, how well it reads, and where it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from routing.reading.artefact import About

_LICENCES = {
    "squad_v2": "CC BY-SA 4.0",
    "squad_v2_silver": "CC BY-SA 4.0",
    "nq_open_oracle": "CC BY-SA 3.0",
    "covidqa": "Apache-2.0",
    "hotpotqa_1k": "CC BY-SA 4.0",
    "2wikimultihopqa_1k": "Apache-2.0",
    "musique_100": "CC BY 4.0",
}


@dataclass(frozen=True, slots=True)
class ReaderCard:
    """The facts of an adapter, as its file has them.

    trained_on: the sets and how many examples of each. scores: on articles kept out of training, between 0
    and 1.
    """

    name: str
    base: str
    sha256: str
    trained_at: str
    trained_on: Mapping[str, int]
    settings: Mapping[str, str]
    scores: Mapping[str, float]
    size_bytes: int


def reader_card(path: Path | None = None) -> ReaderCard:
    """The card of an adapter, by default the shipped one.

    Raises:
        IntegrityError: the file cannot be used; see `routing.reading.artefact.load_adapter`.
    """
    from routing.reading.artefact import load_adapter
    from routing.reading.reader import SHIPPED_ADAPTER

    path = path or SHIPPED_ADAPTER
    adapter = load_adapter(path)
    return card_of(adapter.about, adapter.sha256, path.stat().st_size)


def card_of(about: About, sha256: str, size_bytes: int) -> ReaderCard:
    """The card of what a file says of itself."""
    part = about.card
    return ReaderCard(
        name=about.name,
        base=f"{about.base} (sha256 {about.base_sha256})",
        sha256=sha256,
        trained_at=f"{about.trained_at:%Y-%m-%d}",
        trained_on={
            key.removeprefix("data_"): int(value) for key, value in part.items() if key.startswith("data_")
        },
        settings={
            key.removeprefix("setting_"): value for key, value in part.items() if key.startswith("setting_")
        },
        scores={
            key.removeprefix("score_"): float(value)
            for key, value in part.items()
            if key.startswith("score_")
        },
        size_bytes=size_bytes,
    )


def write_card(path: Path, card: ReaderCard) -> None:
    """Writes the card as markdown."""
    sets = "\n".join(
        f"| {name} | {count:,} | {_LICENCES.get(name, 'see the set')} |"
        for name, count in card.trained_on.items()
    )
    settings = ", ".join(f"{name} {value}" for name, value in card.settings.items())
    scores = "\n".join(f"| {name.replace('_', ' ')} | {value:.3f} |" for name, value in card.scores.items())
    path.write_text(
        f"""# {card.name}

A LoRA adapter that makes {card.base} read: for a question and a passage it says where the answer stands and
whether there is one. It fits no other base model.

File sha256 of contents `{card.sha256}`, {card.size_bytes:,} bytes, trained on {card.trained_at}.

## Data

| set (its training part) | examples | licence |
|---|---|---|
{sets}

Besides, drawn anew for each pass: the same questions with another passage about the same thing, with the
sentence that answers left out, with a name, number or opposite swapped so that the passage no longer
answers; and gap questions made of sentences of the same passages. The adapter's weights hold none of
these texts.

## Settings

{settings}

## Scores on two articles kept out of training

| | |
|---|---|
{scores}

These articles also chose the calibration. `python -m bench reader --data DIR` measures on parts that nothing
was chosen on, and is what to quote.

## Limits

- English prose. Other languages, code and tables of numbers were not trained on.
- It quotes; it does not reason over several passages, count, compare or compute.
- It tells near misses (a question about another year, another place) from answers only some of the time.
- Passages of more than 256 tokens are read in overlapping parts, each by itself.
""",
        encoding="utf-8",
    )
