"""The fast ways to run the reading model against the network that was trained."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from app.core.config import PROJECT_DIR
from app.core.errors import InputError, IntegrityError
from retrieval.embedder import bundled_folder, load_bundled
from routing.reading.artefact import load_adapter
from routing.reading.engine import ReadingEngine, _parts
from routing.reading.merged import Float32Linear, Int8Linear, MergedReader, Precision
from routing.reading.pairs import Pair, make_pairs, tokens_of
from routing.reading.scores import PairScores
from routing.reading.training import collate
from tests.routing.reading.conftest import Trained

QUESTION = "How many days of holiday do new people get in their first year?"
TEXTS = [
    "New people get 25 days of holiday in their first year, and one more for each year after that. ",
    "Parental leave is 26 weeks. It may be taken in three parts, none shorter than two weeks. ",
    "The printer on floor two is out of order; ask Karin (ext. 4471) for the key to the copy room. ",
    "Expenses over 200 euros need a receipt and the approval of the head of the team. ",
    "",
    "25",
]

TOLERANCE: dict[Precision, tuple[float, float]] = {"float32": (2e-5, 1e-5), "int8": (0.6, 0.1)}
"""Largest and mean difference of a logit; those of the network itself have a spread of about one."""


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Rows from nothing to 256 tokens of text, with a title and without."""
    tokenizer = Tokenizer.from_file(str(bundled_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    found = []
    for number, text in enumerate([*TEXTS, *(text * (3 + 2 * i) for i, text in enumerate(TEXTS[:4]))]):
        title = "Handbook" if number % 2 else ""
        question, heading, body = tokens_of(tokenizer, [QUESTION, title, text])
        found.extend(make_pairs(question, heading, body, at_most=256, stride=64))
    return found


@pytest.fixture(scope="module")
def expected(trained: Trained, pairs: list[Pair]) -> list[PairScores]:
    """By peft, unmerged, each row by itself."""
    found = []
    for pair in pairs:
        with torch.inference_mode():
            spans, nothing = trained.network(*collate([pair]))
        inside = slice(pair.first, pair.first + len(pair.starts))
        starts, ends = spans[0, :, 0].numpy(), spans[0, :, 1].numpy()
        found.append(
            PairScores(starts[inside], ends[inside], float(starts[0]), float(ends[0]), float(nothing[0]))
        )
    return found


@pytest.fixture(scope="module", params=["float32", "int8"])
def precision(request: pytest.FixtureRequest) -> Precision:
    """Every way that is kept."""
    found: Precision = request.param
    return found


@pytest.fixture(scope="module")
def engine(trained: Trained, precision: Precision) -> Iterator[ReadingEngine]:
    """Two threads, whatever the machine."""
    made = ReadingEngine(trained.path, threads=2, precision=precision)
    made.warm_up()
    yield made
    made.close()


def flat(scores: Sequence[PairScores]) -> NDArray[np.float64]:
    """All logits in one row."""
    return np.concatenate([[*s.starts, *s.ends, s.no_start, s.no_end, s.nothing] for s in scores])


def best_span(scores: PairScores) -> tuple[int, int]:
    """The likeliest span, its end not before its start."""
    grid = np.triu(scores.starts[:, None] + scores.ends[None, :] + 1e3)
    start, end = divmod(int(grid.argmax()), len(scores.starts))
    return start, end


def test_agrees_with_the_network_that_was_trained(
    engine: ReadingEngine, precision: Precision, pairs: list[Pair], expected: list[PairScores]
) -> None:
    found = engine.scores(pairs)
    assert [len(s.starts) for s in found] == [len(p.starts) for p in pairs]
    off = np.abs(flat(found) - flat(expected))
    most, mean = TOLERANCE[precision]
    assert off.max() <= most and off.mean() <= mean, (off.max(), off.mean(), flat(expected).std())


def test_chooses_the_same_span(
    engine: ReadingEngine, precision: Precision, pairs: list[Pair], expected: list[PairScores]
) -> None:
    """In integers a span may be another where the network itself finds both about as good."""
    for found, right, pair in zip(engine.scores(pairs), expected, pairs, strict=True):
        if not pair.starts:
            continue
        start, end = best_span(found)
        first, last = best_span(right)
        lost = right.starts[first] + right.ends[last] - right.starts[start] - right.ends[end]
        assert lost <= 2 * TOLERANCE[precision][0]
        if precision == "float32":
            assert (start, end) == (first, last)


def test_a_row_scores_the_same_whatever_is_read_beside_it(
    engine: ReadingEngine, pairs: list[Pair], precision: Precision
) -> None:
    together = engine.scores(pairs)
    for number in (0, 4, len(pairs) - 1):
        alone = engine.scores([pairs[number]])
        # A rounding of float32 may tip one of the integers.
        np.testing.assert_allclose(
            flat(alone), flat([together[number]]), atol=1e-5 if precision == "float32" else 0.05
        )


def test_no_rows_have_no_scores(engine: ReadingEngine) -> None:
    assert engine.scores([]) == []


def test_a_row_without_any_text_has_a_score_of_no_answer(engine: ReadingEngine) -> None:
    found = engine.scores([Pair((101, 102, 102), (0, 0, 1), 3, (), ())])[0]
    assert len(found.starts) == 0 and np.isfinite([found.no_start, found.no_end, found.nothing]).all()


def test_a_row_too_long_is_refused(engine: ReadingEngine) -> None:
    pair = Pair((101, 102, *[2023] * 511), (0, 0, *[1] * 511), 2, (0,) * 510, (1,) * 510)
    with pytest.raises(InputError) as caught:
        engine.scores([pair])
    assert caught.value.code == "row_too_long"


def test_many_threads_may_read_at_once(engine: ReadingEngine, pairs: list[Pair]) -> None:
    right = flat(engine.scores(pairs[:6]))
    found: list[float] = []

    def work() -> None:
        found.append(float(np.abs(flat(engine.scores(pairs[:6])) - right).max()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and max(found) < 0.05


def test_goes_on_after_it_was_closed(trained: Trained, pairs: list[Pair]) -> None:
    engine = ReadingEngine(trained.path, threads=1)
    first = flat(engine.scores(pairs[:2]))
    engine.close()
    np.testing.assert_allclose(flat(engine.scores(pairs[:2])), first, atol=0.05)
    engine.close()


def test_the_bases_embeddings_are_shared(trained: Trained) -> None:
    base = load_bundled()
    assert load_bundled() is base
    reader = MergedReader(base, load_adapter(trained.path), "int8")
    name = "embeddings.word_embeddings.weight"
    assert reader._words.data_ptr() == base.weights[name].data_ptr()


def test_the_base_is_left_as_it_was(trained: Trained) -> None:
    name = "encoder.layer.0.attention.self.query.weight"
    before = load_bundled().weights[name].clone()
    MergedReader(load_bundled(), load_adapter(trained.path), "float32")
    assert torch.equal(load_bundled().weights[name], before)


@pytest.mark.parametrize("least", [None, 0.17])
@pytest.mark.parametrize("sign", [-1, 1])
def test_integers_never_overflow(least: float | None, sign: int) -> None:
    """The worst there is: every weight and every input as far out as its bits reach, all of one sign."""
    weight = torch.full((8, 1536), float(sign) * 0.5)
    x = torch.full((3, 1536), 3.0)
    x[0, 0] = -3.0 if least is None else -0.17
    bias = torch.arange(8.0)
    found = Int8Linear(weight, bias, least=least)(x)
    right = Float32Linear(weight, bias)(x)
    torch.testing.assert_close(found, right, rtol=0.01, atol=0.5)


def test_a_token_of_zeros_and_one_of_large_numbers_stay_apart() -> None:
    torch.manual_seed(1)
    weight, bias = torch.randn(16, 64), torch.randn(16)
    x = torch.randn(3, 64)
    x[0], x[2] = 0.0, x[2] * 1e4
    found, right = Int8Linear(weight, bias)(x), Float32Linear(weight, bias)(x)
    torch.testing.assert_close(found[0], right[0])
    for row in (1, 2):
        assert (found[row] - right[row]).norm() < 0.02 * right[row].norm()


@pytest.mark.parametrize(
    "sizes", [[5], [271] * 8, [300, 20, 20, 20, 300, 10, 9, 8, 7], list(range(5, 60, 5))]
)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_shares_hold_every_row_once(sizes: list[int], workers: int) -> None:
    parts = _parts(sizes, workers)
    assert sorted(number for part in parts for number in part) == list(range(len(sizes)))
    assert all(parts)
    loads = [sum(sizes[number] for number in part) for part in parts]
    assert max(loads) - min(loads) <= max(sizes)


def test_a_bad_adapter_is_named_without_loading_torch(trained: Trained) -> None:
    program = (
        "import sys; from pathlib import Path; from routing.reading.engine import ReadingEngine\n"
        f"print(ReadingEngine(Path({str(trained.path)!r})).about.name, 'torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, check=True, text=True
    )
    assert shown.stdout.split("\n")[0] == "reader-test False"
    bad = trained.path.with_name("bad.safetensors")
    bad.write_bytes(b"nothing")
    with pytest.raises(IntegrityError) as caught:
        ReadingEngine(bad).warm_up()
    assert caught.value.code == "adapter_not_safetensors"
