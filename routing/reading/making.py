"""Makes a reading adapter: trains it, fits how far to trust it, scores it, writes it with its model card.

The fit and the scores of the card come from articles that were kept out of training. The scores to quote
are those of `python -m bench reader`, on sets and parts that nothing was chosen on.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from app.core.clock import utc_now
from retrieval.embedder import bundled_folder
from routing.reading.artefact import About, save_adapter
from routing.reading.calibration import Calibration, fit, probability
from routing.reading.card import ReaderCard, card_of, write_card
from routing.reading.examples import Material, load_material
from routing.reading.reader import Reader
from routing.reading.reading import Readable, ReadPassage
from routing.reading.training import Progress, Trainer, TrainingSettings

ADAPTER_FILE = "reader.safetensors"


CARD_FILE = "README.md"
_OF_THE_MACHINE = ("threads", "checkpoint_seconds")


def make_adapter(
    data: Path,
    folder: Path,
    settings: TrainingSettings,
    report: Callable[[Progress], None],
    *,
    name: str = "reader-1",
) -> ReaderCard:
    """Trains on the training parts in a data folder; stopped, the same call goes on where it was.

    Args:
        folder: gets the adapter, its model card and, until it is done, the checkpoint.

    Raises:
        InputError: `no_training_data` or `bad_data`.
        ConflictError: `other_training_run` when the folder holds a run with other settings.
    """
    material = load_material(data)
    trainer = Trainer(bundled_folder(), folder / "training", material, settings)
    learned = trainer.run(report)
    about = _about(name, trainer, [m for m in material if not m.tuning], settings)
    path = folder / ADAPTER_FILE
    save_adapter(path, learned, about)
    if tuning := [m for m in material if m.tuning]:
        calibration, scores = measure(Reader(path), tuning)
        facts = (
            about.card
            | calibration.to_card()
            | {f"score_{key}": f"{value:.4f}" for key, value in scores.items()}
        )
        about = about.model_copy(update={"card": facts})
    digest = save_adapter(path, learned, about)
    card = card_of(about, digest, path.stat().st_size)
    write_card(folder / CARD_FILE, card)
    return card


def _about(name: str, trainer: Trainer, trained: Sequence[Material], settings: TrainingSettings) -> About:
    counts = Counter(m.set for m in trained)
    return About(
        name=name,
        rank=settings.rank,
        alpha=settings.alpha,
        head_inner=trainer.network.head.inner.out_features,
        trained_at=utc_now(),
        card={f"data_{key}": str(count) for key, count in sorted(counts.items())}
        | {
            f"setting_{key}": str(value)
            for key, value in asdict(settings).items()
            if key not in _OF_THE_MACHINE
        },
    )


def measure(reader: Reader, tuning: Sequence[Material]) -> tuple[Calibration, dict[str, float]]:
    """How far to trust an adapter, and how well it reads, on examples that it was not trained on."""
    read = [reader.read(m.example.question, [Readable(m.example.title, m.example.text)])[0] for m in tuning]
    answers = [bool(m.example.spans) for m in tuning]
    scores = [(p.best.score if p.best else -20.0, p.nothing) for p in read]
    calibration = fit(scores, answers)
    right = [_right(m, p) for m, p in zip(tuning, read, strict=True) if m.example.spans]
    told = [
        (probability(calibration.log_odds(*score)) >= 0.5) == answer
        for score, answer in zip(scores, answers, strict=True)
    ]
    return calibration, {"sentence_right": fmean(right), "answerable_told": fmean(told)}


def _right(material: Material, read: ReadPassage) -> bool:
    best = read.best
    if best is None:
        return False
    return any(best.sentence.start <= start < best.sentence.end for start, _ in material.example.spans)
