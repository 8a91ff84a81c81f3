import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.core.errors import ConflictError
from retrieval.embedder import bundled_folder
from routing.reading.artefact import load_adapter
from routing.reading.card import reader_card
from routing.reading.examples import load_material
from routing.reading.making import ADAPTER_FILE, CARD_FILE, make_adapter
from routing.reading.reader import Reader
from routing.reading.reading import Readable
from routing.reading.training import Progress, Trainer, TrainingSettings
from tests.routing.reading.world import write_data

SETTINGS = TrainingSettings(
    rank=2,
    alpha=4,
    passes=2,
    batch=2,
    first_gap_questions=2,
    gap_questions=1,
    threads=1,
    checkpoint_seconds=0.0,
)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ignore(progress: Progress) -> None:
    del progress


class StoppedError(Exception):
    pass


def trainer(data: Path, folder: Path, settings: TrainingSettings = SETTINGS) -> Trainer:
    return Trainer(bundled_folder(), folder, load_material(data), settings)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_data(tmp_path / "data")
    whole = trainer(data, tmp_path / "whole").run(ignore)
    stopping = trainer(data, tmp_path / "stopped")
    learn, steps = stopping._learn, []

    def some(*arguments: object) -> float:
        steps.append(1)
        if len(steps) > 3:
            raise StoppedError
        return learn(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stopping, "_learn", some)
    with pytest.raises(StoppedError):
        stopping.run(ignore)
    resumed = trainer(data, tmp_path / "stopped").run(ignore)
    assert whole.keys() == resumed.keys()
    assert all(torch.allclose(whole[name], resumed[name], atol=1e-6) for name in whole)


def test_a_run_with_other_settings_is_not_mixed_in(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    trainer(data, tmp_path / "run").run(ignore)
    with pytest.raises(ConflictError) as refused:
        trainer(data, tmp_path / "run", replace(SETTINGS, learning_rate=1.0))
    assert refused.value.code == "other_training_run"
    assert trainer(data, tmp_path / "run", replace(SETTINGS, threads=2)) is not None


def test_training_learns_and_leaves_the_base_alone(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    settings = replace(SETTINGS, passes=12, learning_rate=3e-3, average=0.5)
    made = trainer(data, tmp_path / "run", settings)
    before = {
        name: value.clone() for name, value in made.network.named_parameters() if not value.requires_grad
    }
    losses: list[float] = []
    rows = made.rows([m.example for m in load_material(data)])
    with torch.no_grad():
        losses.append(float(made.loss(rows)))
    made.run(ignore)
    with torch.no_grad():
        losses.append(float(made.loss(rows)))
    assert losses[1] < losses[0] / 2
    after = dict(made.network.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_adapter_is_made_with_its_card(tmp_path: Path) -> None:
    card = make_adapter(write_data(tmp_path / "data"), tmp_path / "out", SETTINGS, ignore, name="reader-test")
    path = tmp_path / "out" / ADAPTER_FILE
    adapter = load_adapter(path)
    assert adapter.sha256 == card.sha256 == reader_card(path).sha256
    assert card.trained_on == {"squad_v2": 4}
    assert card.scores.keys() == {"sentence_right", "answerable_told"}
    written = (tmp_path / "out" / CARD_FILE).read_text(encoding="utf-8")
    assert card.sha256 in written and "CC BY-SA 4.0" in written and "## Limits" in written
    reader = Reader(path, threads=1)
    assert reader.unavailable is None and reader.name == f"reader-test@{card.sha256[:8]}"
    (read,) = reader.read("When was the Heron built?", [Readable("Boats", "The Heron was built in 1921.")])
    assert read.best is not None
    assert json.dumps(reader.calibration.to_card())
    reader.close()


def test_an_adapter_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none.safetensors")
    assert reader.unavailable is not None and "none.safetensors" in reader.unavailable
    assert reader.name == "reader"
