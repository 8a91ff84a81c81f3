"""How seldom a word is written."""

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.text.rarity import rarity
from routing.text.words import words


@pytest.mark.parametrize(
    ("common", "rare"), [("the", "winter"), ("winter", "prado"), ("london", "straizys"), ("no", "pirjevec")]
)
def test_names_are_rarer_than_everyday_words(common: str, rare: str) -> None:
    assert rarity(common) < rarity(rare)


def test_what_the_vocabulary_cannot_spell_is_rare() -> None:
    assert rarity("🐈") > rarity("winter")


def test_no_word_has_no_rarity() -> None:
    assert rarity("") == 0


@settings(deadline=None)
@given(st.text(max_size=40))
def test_every_word_has_one(text: str) -> None:
    assert all(math.isfinite(rarity(word)) for word in words(text))


def test_the_vocabulary_is_read_when_it_is_first_needed() -> None:
    code = "import routing.difficulty, sys; sys.exit('tokenizers' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
