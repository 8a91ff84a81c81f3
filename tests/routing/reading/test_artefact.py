"""The adapter's file: written whole, read back, and every way to refuse it."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InputError, IntegrityError
from routing.reading.artefact import BUNDLED, LINEARS, About, load_adapter, save_adapter
from tests.routing.reading.conftest import ALPHA, RANK, Trained


def refused(path: Path, **base: object) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught:
        load_adapter(path, replace(BUNDLED, **base))  # type: ignore[arg-type]
    assert str(path) in caught.value.message
    return caught.value


def rewritten(
    trained: Trained, tmp_path: Path, header: "dict[str, object]", body: bytes | None = None
) -> Path:
    """The file with parts of its metadata replaced."""
    data = trained.path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found = json.loads(data[8 : 8 + length])
    found["__metadata__"].update(header)
    text = json.dumps(found).encode()
    path = tmp_path / "changed.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + (data[8 + length :] if body is None else body))
    return path


def test_what_was_written_is_read_back(trained: Trained) -> None:
    adapter = load_adapter(trained.path)
    assert adapter.about == trained.about
    learned = trained.network.learned()
    assert len(adapter.weights) == len(learned) == 6 * len(LINEARS) * 2 + 6
    name = "bert.encoder.layer.3.output.dense.lora_{}.default.weight"
    change = ALPHA / RANK * learned[name.format("B")] @ learned[name.format("A")]
    np.testing.assert_allclose(adapter.change(3, "narrow"), change.detach().numpy(), atol=1e-6)
    np.testing.assert_array_equal(adapter.head("span.weight"), learned["head.span.weight"].detach().numpy())


def test_the_hash_is_that_of_the_contents(trained: Trained, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    digest = save_adapter(again, dict(trained.network.learned()), trained.about)
    assert digest == load_adapter(again).sha256 == load_adapter(trained.path).sha256
    other = save_adapter(
        again, dict(trained.network.learned()), trained.about.model_copy(update={"alpha": 17})
    )
    assert other != digest
    assert [path.name for path in tmp_path.iterdir()] == ["again.safetensors"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.safetensors").code == "adapter_missing"
    assert refused(tmp_path).code == "adapter_missing"


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"<html>not found</html>", b"\x00" * 100, b"PK\x03\x04" + b"x" * 99]
)
def test_another_kind_of_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "reader.safetensors"
    path.write_bytes(data)
    assert refused(path).code == "adapter_not_safetensors"


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, dtype=np.float32)}, path)
    assert refused(path).code == "adapter_not_safetensors"


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0001, 0.99999))
def test_a_file_cut_short_is_refused(trained: Trained, share: float) -> None:
    data = trained.path.read_bytes()
    path = trained.path.with_name("cut.safetensors")
    path.write_bytes(data[: max(9, int(len(data) * share))])
    assert refused(path).code == "adapter_truncated"


@settings(max_examples=25, deadline=None)
@given(place=st.integers(0), bit=st.integers(0, 7))
def test_one_altered_bit_is_refused(trained: Trained, place: int, bit: int) -> None:
    data = bytearray(trained.path.read_bytes())
    (length,) = struct.unpack("<Q", data[:8])
    data[8 + length + place % (len(data) - 8 - length)] ^= 1 << bit
    path = trained.path.with_name("bit.safetensors")
    path.write_bytes(data)
    assert refused(path).code == "adapter_altered"


def test_an_altered_description_is_refused(trained: Trained, tmp_path: Path) -> None:
    about = trained.about.model_copy(update={"card": {"data": "the very best"}})
    path = rewritten(trained, tmp_path, {"about": about.model_dump_json()})
    assert refused(path).code == "adapter_altered"
    assert refused(rewritten(trained, tmp_path, {"about": "{}"})).code == "adapter_altered"


def test_an_unknown_version_is_refused_by_its_number(trained: Trained, tmp_path: Path) -> None:
    error = refused(rewritten(trained, tmp_path, {"version": "2"}))
    assert error.code == "adapter_version" and "version 2" in error.message


def test_another_base_is_refused(trained: Trained) -> None:
    assert refused(trained.path, sha256="ab" * 32).code == "adapter_other_base"


def test_a_base_of_another_width_is_refused_by_both_widths(trained: Trained) -> None:
    error = refused(trained.path, width=768, sha256="ab" * 32)
    assert error.code == "adapter_other_width"
    assert "384" in error.message and "768" in error.message


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"layers": 12}, "layers.10.attention_out.down is missing, and 71 more"),
        ({"layers": 5}, "layers.5.attention_out.down is not part"),
        ({"inner": 1024}, "shape (1536, 8); rank 8 on all-MiniLM-L6-v2 needs (1024, 8)"),
    ],
)
def test_weights_that_do_not_fit_the_base_are_refused(
    trained: Trained, base: dict[str, int], words: str
) -> None:
    error = refused(trained.path, **base)
    assert error.code == "adapter_shape" and words in error.message


def test_a_rank_that_is_not_that_of_the_weights_is_not_written(trained: Trained, tmp_path: Path) -> None:
    about = trained.about.model_copy(update={"rank": 16})
    with pytest.raises(InputError, match="rank 16") as caught:
        save_adapter(tmp_path / "a.safetensors", dict(trained.network.learned()), about)
    assert caught.value.code == "adapter_shape" and not list(tmp_path.iterdir())


def test_what_half_precision_cannot_hold_is_not_written(trained: Trained, tmp_path: Path) -> None:
    learned = {name: value.detach().clone() for name, value in trained.network.learned().items()}
    learned["head.span.bias"][0] = 1e6
    with pytest.raises(InputError) as caught:
        save_adapter(tmp_path / "a.safetensors", learned, trained.about)
    assert caught.value.code == "adapter_not_finite"
    save_adapter(tmp_path / "a.safetensors", learned, trained.about, precision="float32")
    assert load_adapter(tmp_path / "a.safetensors").head("span.bias")[0] == 1e6


def test_other_parameters_and_large_files_are_not_written(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        save_adapter(tmp_path / "a", {"bert.pooler.dense.weight": torch.zeros(2)}, trained.about)
    assert caught.value.code == "adapter_names"
    learned: dict[str, torch.Tensor] = {}
    for name, value in trained.network.learned().items():
        shape = [128 if size == RANK and "lora" in name else size for size in value.shape]
        learned[name] = torch.zeros(shape)
    with pytest.raises(InputError) as caught:
        save_adapter(tmp_path / "a", learned, trained.about.model_copy(update={"rank": 128}))
    assert caught.value.code == "adapter_too_large"


def test_the_largest_rank_fits_the_repository(trained: Trained, tmp_path: Path) -> None:
    learned: dict[str, torch.Tensor] = {}
    for name, value in trained.network.learned().items():
        learned[name] = torch.zeros([48 if size == RANK and "lora" in name else size for size in value.shape])
    about = About.model_validate({**trained.about.model_dump(), "rank": 48})
    save_adapter(tmp_path / "a", learned, about)
    assert (tmp_path / "a").stat().st_size < 6_000_000
