"""Chunks lose no text, know where they stand, keep their order and stay within what the encoder sees."""

import re
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import Chunk, chunk_document
from ingest.parsing.document import Heading, TextBuilder

MAX_TOKENS = 256


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def check(text: str, headings: Sequence[Heading], chunks: Sequence[Chunk]) -> None:
    end = 0
    for number, chunk in enumerate(chunks):
        assert chunk.ordinal == number
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.text.strip() == chunk.text != ""
        assert not text[end : chunk.start].strip(), "text between two chunks was lost"
        assert chunk.embedded_text.endswith(chunk.text)
        end = chunk.end
    assert not text[end:].strip(), "text at the end was lost"


characters = st.characters(codec="utf-8")
words = st.text(characters, max_size=30)
blocks = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 6), words),
        st.tuples(st.just(0), st.text(characters, max_size=400)),
        st.tuples(st.just(0), st.lists(words, max_size=40).map(" ".join)),
        st.tuples(st.just(0), st.integers(1, 60).map(lambda n: "One sentence of the report follows. " * n)),
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(blocks, words, st.sampled_from([count_words, count_characters]), st.sampled_from([24, 64, 256]))
def test_any_document_keeps_its_text_offsets_order_and_limit(
    parts: list[tuple[int, str]], title: str, count: object, max_tokens: int
) -> None:
    assert callable(count)
    builder = TextBuilder()
    for level, content in parts:
        builder.heading(level, content) if level else builder.block(content)
    document = builder.build("text/plain")
    chunks = chunk_document(document.text, document.headings, title, count, max_tokens=max_tokens)
    check(document.text, document.headings, chunks)
    for chunk, tokens in zip(chunks, count([c.embedded_text for c in chunks]), strict=True):
        assert tokens <= max_tokens - 2 or chunk.end - chunk.start == 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=600), st.sampled_from([24, 64]))
def test_any_unicode_text_without_headings(text: str, max_tokens: int) -> None:
    check(text, (), chunk_document(text, (), "", count_words, max_tokens=max_tokens))


def _document(*blocks: tuple[int, str]) -> tuple[str, tuple[Heading, ...]]:
    builder = TextBuilder()
    for level, content in blocks:
        builder.heading(level, content) if level else builder.block(content)
    made = builder.build("text/plain")
    return made.text, made.headings


def test_title_and_heading_path_stand_in_front() -> None:
    text, headings = _document((1, "Leave"), (0, "word " * 150), (2, "Spain"), (0, "sixteen " * 150))
    chunks = chunk_document(text, headings, "Policy", count_words, max_tokens=MAX_TOKENS)
    assert [c.heading_path for c in chunks] == [("Leave",), ("Leave", "Spain")]
    assert chunks[1].embedded_text.startswith("Policy > Leave > Spain\nSpain\n\nsixteen")


def test_title_that_is_the_first_heading_is_not_said_twice() -> None:
    text, headings = _document((1, "Leave"), (0, "sixteen weeks"))
    (chunk,) = chunk_document(text, headings, "Leave", count_words, max_tokens=MAX_TOKENS)
    assert chunk.embedded_text == "Leave\nLeave\n\nsixteen weeks"


def test_small_sections_of_one_parent_share_a_chunk() -> None:
    text, headings = _document((1, "Offices"), (2, "Leeds"), (0, "UK"), (2, "Porto"), (0, "PT"))
    (chunk,) = chunk_document(text, headings, "Guide", count_words, max_tokens=MAX_TOKENS)
    assert chunk.heading_path == ("Offices",)
    assert chunk.text == text


def test_sections_of_different_parents_do_not_share_a_chunk() -> None:
    text, headings = _document((1, "A"), (2, "One"), (0, "first"), (1, "B"), (2, "Two"), (0, "second"))
    chunks = chunk_document(text, headings, "Guide", count_words, max_tokens=MAX_TOKENS)
    assert not any("first" in c.text and "second" in c.text for c in chunks)


def test_long_section_is_cut_at_sentences_into_even_parts() -> None:
    text = " ".join(f"Sentence number {n} tells one more thing about the probe." for n in range(100))
    chunks = chunk_document(text, (), "Probe", count_words, max_tokens=MAX_TOKENS)
    assert all(chunk.text.endswith(".") and chunk.text.startswith("Sentence") for chunk in chunks)
    sizes = count_words([c.text for c in chunks])
    assert max(sizes) <= 220
    assert min(sizes) > 100


def test_one_endless_word_is_cut_though_it_is_one_token() -> None:
    text = "A" * 100_000
    chunks = chunk_document(text, (), "", count_words, max_tokens=MAX_TOKENS)
    assert "".join(c.text for c in chunks) == text
    assert max(len(c.text) for c in chunks) <= 220 * 8


def test_a_title_longer_than_the_encoder_sees_is_cut() -> None:
    (chunk,) = chunk_document("Body", (), "long title " * 500, count_words, max_tokens=MAX_TOKENS)
    assert count_words([chunk.embedded_text])[0] <= MAX_TOKENS - 2
    assert chunk.embedded_text.endswith("\nBody")


def test_tokens_are_counted_in_few_batches() -> None:
    calls = []

    def count(texts: Sequence[str]) -> list[int]:
        calls.append(len(texts))
        return count_words(texts)

    text, headings = _document(
        *[(n % 2, f"Part {n}" if n % 2 else f"Line {n}. " * 100) for n in range(1, 200)]
    )
    assert len(chunk_document(text, headings, "Guide", count, max_tokens=MAX_TOKENS)) > 30
    assert len(calls) <= 8
