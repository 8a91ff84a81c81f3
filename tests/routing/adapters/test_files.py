"""Adapters that are broken, or made for another model, are refused by name before any server sees them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from app.core.errors import InputError
from routing.adapters.files import CONFIG, WEIGHTS, base_shapes, check_fits, read_adapter
from tests.servers.base import make_adapter


@pytest.fixture
def adapter(tmp_path: Path, base_dir: Path) -> Path:
    return make_adapter(tmp_path / "support.v1", base=base_dir, rank=4)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(InputError) as refused:
        act()
    return refused.value.code


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))


def test_a_whole_one_is_read_and_fits(adapter: Path, base_dir: Path) -> None:
    files = read_adapter(adapter)
    assert (files.rank, files.base_name, len(files.widths)) == (4, "base", 14)
    check_fits(files, base_dir)


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS, ""])
def test_a_missing_one(adapter: Path, missing: str) -> None:
    shutil.rmtree(adapter) if not missing else (adapter / missing).unlink()
    assert code_of(lambda: read_adapter(adapter)) == "adapter_missing"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(min_value=0, max_value=0.9999))
def test_a_truncated_one_however_much_is_left(adapter: Path, share: float) -> None:
    whole = (adapter / WEIGHTS).read_bytes()
    cut = adapter.with_name("cut")
    shutil.rmtree(cut, ignore_errors=True)
    shutil.copytree(adapter, cut)
    (cut / WEIGHTS).write_bytes(whole[: int(len(whole) * share)])
    assert code_of(lambda: read_adapter(cut)) == "truncated_adapter"


@pytest.mark.parametrize("noise", [b"", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_safetensors_file(adapter: Path, noise: bytes) -> None:
    (adapter / WEIGHTS).write_bytes(noise)
    assert code_of(lambda: read_adapter(adapter)) in ("truncated_adapter", "bad_adapter")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"peft_type": "IA3"}, "not_lora"),
        ({"use_dora": True}, "not_lora"),
        ({"modules_to_save": ["lm_head"]}, "not_lora"),
        ({"bias": "all"}, "not_lora"),
        ({"r": 0}, "bad_adapter"),
        ({"r": True}, "bad_adapter"),
        ({"r": 8}, "bad_adapter"),
    ],
)
def test_a_configuration_that_is_no_plain_lora(adapter: Path, changes: dict[str, object], code: str) -> None:
    change_config(adapter, **changes)
    assert code_of(lambda: read_adapter(adapter)) == code


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_configuration_that_cannot_be_read(adapter: Path, text: str) -> None:
    (adapter / CONFIG).write_text(text)
    assert code_of(lambda: read_adapter(adapter)) == "bad_adapter"


def test_pickled_weights_are_never_opened(adapter: Path) -> None:
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert code_of(lambda: read_adapter(adapter)) == "adapter_missing"


def test_half_the_width_is_refused_though_the_server_would_take_it(adapter: Path, base_dir: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    narrow = {
        name: np.ascontiguousarray(t[:, : t.shape[1] // 2] if ".lora_A." in name else t)
        for name, t in tensors.items()
    }
    save_file(narrow, adapter / WEIGHTS)
    assert code_of(lambda: check_fits(read_adapter(adapter), base_dir)) == "width_mismatch"


def test_modules_that_the_base_does_not_have(adapter: Path, base_dir: Path) -> None:
    tensors = load_file(adapter / WEIGHTS)
    save_file({name.replace("layers.1", "layers.7"): t for name, t in tensors.items()}, adapter / WEIGHTS)
    assert code_of(lambda: check_fits(read_adapter(adapter), base_dir)) == "unknown_target"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_base_that_is_none(tmp_path: Path, base_dir: Path, name: str) -> None:
    copy = Path(shutil.copytree(base_dir, tmp_path / "base"))
    (copy / name).unlink()
    assert code_of(lambda: base_shapes(copy)) == "bad_base"


def test_any_change_of_the_files_changes_their_hash(adapter: Path) -> None:
    before = read_adapter(adapter).sha256
    change_config(adapter, lora_alpha=99)
    assert read_adapter(adapter).sha256 != before
