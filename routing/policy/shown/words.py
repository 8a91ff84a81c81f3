"""What is said of policies, in words for people."""

from typing import cast

from routing.policy.objectives import Objective, Price, Quality, Share
from routing.policy.reports import CalibrationState
from routing.tier import Tier

SHADOW = "shadow:"
"""What the ledger calls a shadow sample: this, and the id of the question it is a sample of."""

TRIAL = "trial:"
"""What the ledger calls an answer of a trial of a prompt: this, and an id of its own."""

State = CalibrationState


def is_unseen(query_id: str) -> bool:
    """Whether the ledger's entry is that of an answer that nobody asked for and nobody was shown."""
    return query_id.startswith((SHADOW, TRIAL))


def state(stored: str) -> CalibrationState:
    """The state of a stored calibration."""
    return cast(CalibrationState, stored)


def objective(chosen: Objective, currency: str) -> str:
    """What is asked of the ladder, in a few words."""
    match chosen:
        case Quality():
            return (
                f"quality: at least as good as premium on {chosen.share * 100:.4g}% of answered questions,"
                f" with {chosen.confidence * 100:.4g}% confidence"
            )
        case Price():
            return f"price: an avoided wrong answer is worth {amount(chosen.value_nano)} {currency}"
        case Share():
            return f"share: at most {chosen.premium * 100:.4g}% premium over {chosen.window_days} days"


def amount(nano: int) -> str:
    """Nano-units as a decimal, exact, at least two places."""
    whole, rest = divmod(abs(nano), 1_000_000_000)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano < 0 else ''}{whole}.{places}"


def curve_note(questions: int, modelled: int, top: Tier) -> str:
    """What to know about the prices of a curve."""
    if questions == 0:
        return "No question has been asked yet, so there is nothing to draw."
    said = []
    if modelled:
        said.append(f"For {modelled} of {questions} questions the premium price is modelled, not charged.")
    if top.unavailable is not None:
        said.append("No premium model is set up: nothing can climb to it yet.")
    said.append("Wrong answers are expected from the difficulty of each question.")
    return " ".join(said)


def how_known(n: int, *, drawn: bool) -> str:
    """What an estimate of quality stands on."""
    if drawn:
        return f"{n} answers drawn at random and compared with premium's; exact 95% interval."
    return (
        f"{n} answers that people judged by thumbs or asked the better model about; they are not drawn at"
        " random, so this may be off. Exact 95% interval."
    )
