"""A question that may be checked in the background: plain values, and who takes them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.core.identity import Caller
from app.core.usage import Work
from retrieval.passage import Passage
from routing.question import Asking
from routing.tier import EarlierAnswer, Ladder, RungKind, SearchAgain, Turn

if TYPE_CHECKING:
    from routing.history.records import Outcome


@dataclass(frozen=True, slots=True)
class Sample:
    """What a cheap rung said to a question, and how difficult that then seemed.

    `better` is what the top rung said where the question climbed to it; nothing where the cheap answer was
    kept, and the top rung would have to be asked.
    """

    query_id: str
    caller: Caller
    question: str
    standalone: str
    passages: tuple[Passage, ...]
    history: tuple[Turn, ...]
    search_again: SearchAgain
    tier: str
    kind: RungKind
    answer: str
    probability: float
    better: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a first answer says what a second one says; nothing, and why, where that stayed open."""

    same: bool | None
    work: Work
    reason: str = ""


class Judge(Protocol):
    """Compares two answers where numbers, names and words do not decide."""

    @property
    def id(self) -> str:
        """What a label says it was judged by."""
        ...

    def at_most(self) -> Work:
        """The most that one comparison may be."""
        ...

    def compare(self, question: str, first: str, second: str) -> Verdict:
        """Whether the first answer says what the second says."""
        ...


class Sampler(Protocol):
    """Draws some of the questions and checks them."""

    def offer(self, sample: Sample, share: float) -> None:
        """Takes a question that has ended, if it is drawn: with this share, whatever was answered.

        Returns at once and raises nothing: the question it comes from is answered and must stay so.
        """
        ...


class NoSamples:
    """For where nothing is checked."""

    def offer(self, sample: Sample, share: float) -> None:
        """Takes nothing."""


def sample_of(
    asking: Asking,
    outcome: "Outcome",
    earlier: EarlierAnswer | None,
    ladder: Ladder,
    search_again: SearchAgain,
) -> Sample | None:
    """What a cheap rung said, where it was judged and whole; beside it the top rung's answer, if it climbed.

    Nothing where either of them found nothing, was withheld or broke off: that says nothing of the cheap one.
    """
    answer, probability = outcome.answer, outcome.stages.get("answer")
    if answer is None or probability is None or answer.abstained:
        return None
    cheap, text, better = answer.tier, answer.text, None
    if answer.tier == ladder.top.name:
        if earlier is None or earlier.abstained:
            return None
        cheap, text, better = earlier.tier, earlier.text, answer.text
    return Sample(
        query_id=asking.query_id,
        caller=asking.caller,
        question=asking.request.question,
        standalone=asking.standalone,
        passages=outcome.passages,
        history=asking.history,
        search_again=search_again,
        tier=cheap,
        kind=ladder.get(cheap).kind,
        answer=text,
        probability=probability,
        better=better,
    )
