"""How seldom a word is written, told by the vocabulary of the bundled encoder.

Its word pieces stand in the order of how often they were seen, and a word that has no place of its own is
made of several pieces (Schuster, Nakajima 2012). Nothing is counted here, so a rarity holds for any text.
"""

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_COMMON = 1000
"""Places before this one are not words."""


@lru_cache(maxsize=20_000)
def rarity(word: str) -> float:
    """Of one folded word: about 0.7 for the commonest, 3.4 for the last of the vocabulary, one more for each
    further piece."""
    vocabulary = _vocabulary()
    found = vocabulary.encode(word, add_special_tokens=False)
    if not found.ids:
        return 0.0
    # What the vocabulary cannot spell at all is as rare as its last piece.
    unknown = vocabulary.token_to_id("[UNK]") in found.ids
    place = vocabulary.get_vocab_size() if unknown else max(found.ids)
    return math.log(place / _COMMON) + len(found.ids) - 1


@lru_cache(maxsize=1)
def _vocabulary() -> "Tokenizer":
    from retrieval.embedder import bundled_folder, load_tokenizer

    return load_tokenizer(bundled_folder())
