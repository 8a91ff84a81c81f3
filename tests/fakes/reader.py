"""A reader for tests that need no real reading: a sentence answers as far as it shares words with the
question."""

from collections.abc import Sequence

from routing.reading.calibration import Calibration
from routing.reading.reading import Readable, ReadPassage, ReadSentence
from routing.text.sentences import split_sentences
from routing.text.words import content_words


class WordReader:
    """Each word that a sentence shares with the question adds two to its log-odds; without any they are
    -6."""

    name = "word-reader"
    unavailable: str | None = None
    calibration = Calibration(span=1.0, nothing=0.0, bias=0.0)

    def warm_up(self) -> None:
        pass

    def read(self, question: str, passages: Sequence[Readable]) -> list[ReadPassage]:
        asked = frozenset(content_words(question))
        return [ReadPassage(tuple(_sentences(asked, number, p)), 0.0) for number, p in enumerate(passages)]

    def nearness(self, question: str, sentences: Sequence[str]) -> list[float]:
        del question
        return [0.0] * len(sentences)


def _sentences(asked: frozenset[str], number: int, passage: Readable) -> list[ReadSentence]:
    found = []
    for order, sentence in enumerate(split_sentences(passage.text)):
        shared = len(asked & frozenset(content_words(sentence.of(passage.text))))
        found.append(ReadSentence(number, order, sentence, sentence, 2.0 * shared - 3.0 if shared else -6.0))
    return found
