"""Patterns and printable ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.connectors.paths import PathPatterns, printable, unprintable


@given(st.text(st.characters(codec=None, categories=None), max_size=30))
def test_printable_text_leads_back_to_its_name(name: str) -> None:
    assert printable(name).isprintable()
    assert unprintable(printable(name)) == name


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("*.md", "a/b/c.md", True),
        ("*.md", "c.mdx", False),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/b/a.md", False),
        ("docs/**/*.md", "docs/a.md", True),
        ("docs/**/*.md", "docs/b/c/a.md", True),
        ("docs/", "docs/b/c/a.txt", True),
        ("docs/", "mydocs/a.txt", False),
        ("/docs/**", "docs/a", True),
        ("a?c", "x/abc", True),
        ("a?c", "a/c", False),
        ("a+b (1).md", "a+b (1).md", True),
        ("**", "any/thing", True),
    ],
)
def test_pattern(pattern: str, path: str, wanted: bool) -> None:
    assert PathPatterns((pattern,)).wants(path) is wanted
    assert PathPatterns((), (pattern,)).wants(path) is not wanted


def test_exclusion_wins_and_empty_lines_say_nothing() -> None:
    assert not PathPatterns(("*.md",), ("secret*",)).wants("x/secret.md")
    assert PathPatterns(("", " "), ("",)).wants("x")
