"""A small untrained adapter: seeded, its changes large enough to matter."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from retrieval.embedder import bundled_folder
from routing.reading.artefact import About, save_adapter
from routing.reading.network import ReadingNetwork

RANK, ALPHA = 8, 16


@dataclass(frozen=True, slots=True)
class Trained:
    """A network as peft runs it, and the file its adapter was written to."""

    network: ReadingNetwork
    path: Path
    about: About


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Holds the numbers of the file: in half precision."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = ReadingNetwork(bundled_folder(), rank=RANK, alpha=ALPHA).eval()
    with torch.no_grad():
        for name, value in network.learned().items():
            if "lora_B" in name:
                value.normal_(0, 0.05)
            value.copy_(value.half().float())
    about = About(
        name="reader-test",
        rank=RANK,
        alpha=ALPHA,
        head_inner=192,
        trained_at=datetime(2026, 11, 1, tzinfo=UTC),
        card={"data": "none, drawn at random"},
    )
    path = tmp_path_factory.mktemp("adapter") / "reader.safetensors"
    save_adapter(path, dict(network.learned()), about)
    yield Trained(network, path, about)
    torch.set_num_threads(before)
