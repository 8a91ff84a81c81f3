from hypothesis import given
from hypothesis import strategies as st

from web.present.documents import HeadingAt, blocks_of, original_link

TEXT = "Parental leave\n\nWho gets it\nEvery parent.\n\nFrom the first day.\nHow long\nSixteen weeks."


def heading(name: str, level: int) -> HeadingAt:
    start = TEXT.index(name)
    return HeadingAt(level, start, start + len(name))


HEADINGS = (heading("Parental leave", 1), heading("Who gets it", 2), heading("How long", 4))


def test_headings_and_paragraphs_follow_each_other_and_the_title_is_not_said_twice() -> None:
    blocks = blocks_of(TEXT, HEADINGS, None, "Parental leave")
    assert [(b.level, "".join(p.text for p in b.pieces)) for b in blocks] == [
        (2, "Who gets it"),
        (0, "Every parent."),
        (0, "From the first day."),
        (3, "How long"),
        (0, "Sixteen weeks."),
    ]


def test_the_passage_is_marked_and_anchored_once() -> None:
    start, end = TEXT.index("parent."), TEXT.index("first")
    blocks = blocks_of(TEXT, HEADINGS, (start, end), "Parental leave")
    marked = [piece.text for block in blocks for piece in block.pieces if piece.mark]
    assert marked == ["parent.", "From the "]
    assert [block.anchor for block in blocks] == [False, True, False, False, False]


def test_a_passage_outside_the_text_marks_nothing() -> None:
    for passage in ((900, 950), (10, 10), (20, 5), (-5, 0)):
        assert not any(p.mark for b in blocks_of(TEXT, HEADINGS, passage) for p in b.pieces)


@given(st.text(max_size=200), st.integers(-5, 250), st.integers(-5, 250))
def test_no_text_is_lost_and_the_marked_text_is_the_passage(text: str, start: int, end: int) -> None:
    blocks = blocks_of(text, (), (start, end))
    shown = "".join(piece.text for block in blocks for piece in block.pieces)
    assert "".join(shown.split()) == "".join(text.split())
    marked = "".join(piece.text for block in blocks for piece in block.pieces if piece.mark)
    inside = text[max(0, start) : max(0, end)] if start < end else ""
    assert "".join(marked.split()) == "".join(inside.split())


def test_only_web_addresses_become_links() -> None:
    assert original_link("https://wiki.example.com/a") == "https://wiki.example.com/a"
    for url in ("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "JAVASCRIPT:x", "", None):
        assert original_link(url) is None
