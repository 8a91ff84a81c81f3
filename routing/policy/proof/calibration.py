"""From labels and past questions to thresholds, for each objective, with what can be said for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routing.policy.decisions import CLIMB_ABOVE
from routing.policy.evidence.labels import Label
from routing.policy.objectives import Objective, Price, Quality, Share
from routing.policy.proof.guarantee import Labelled, highest_not_refuted, needed_labels, prove
from routing.policy.reports import CalibrationState, LabelCounts, RungCalibration
from routing.tier import RungKind

LEAST_QUESTIONS = 50
"""Fewer past questions say too little about how difficulties are spread."""

NEVER = 1.01


@dataclass(frozen=True, slots=True)
class Known:
    """What thresholds are worked out from.

    kinds: of the rungs whose answers are judged. before: where each climbs now. probabilities: the last
    difficulty of each recent question. extra_nano: what the top rung costs more for a question, on average.
    """

    kinds: tuple[RungKind, ...]
    labels: Sequence[Label]
    before: Mapping[RungKind, float]
    probabilities: Sequence[float]
    extra_nano: int | None
    shadow_share: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Thresholds by kind of rung, and what can be said for them."""

    state: CalibrationState
    rungs: tuple[RungCalibration, ...]
    statement: str

    @property
    def thresholds(self) -> dict[RungKind, float]:
        return {rung.kind: rung.after for rung in self.rungs}


def fit(objective: Objective, known: Known) -> Fit:
    """The thresholds for an objective."""
    match objective:
        case Quality():
            return _quality(objective, known)
        case Price():
            return _price(objective, known)
        case Share():
            return _share(objective, known)


def counts(labels: Sequence[Label], needed: int = 0) -> LabelCounts:
    """How many labels there are of each sort."""
    by_how = {how: sum(label.how == how for label in labels) for how in ("feedback", "escalation", "shadow")}
    return LabelCounts(**by_how, wrong=sum(label.wrong for label in labels), needed=needed)


def of_questions(labels: Sequence[Label]) -> list[Labelled]:
    """One for each question: what a person said counts before what was found by comparing."""
    last: dict[str, Label] = {}
    for label in sorted(labels, key=lambda one: _WORTH[one.how]):
        last[label.query_id] = label
    return [Labelled(label.probability, label.wrong) for label in last.values()]


def for_proof(labels: Sequence[Label]) -> list[Labelled]:
    """Questions drawn at random, and beside them all that are known to be wrong, which can only lower the
    threshold. Thanks count only for questions that were drawn: who gives thanks is not drawn at random."""
    drawn = {label.query_id for label in labels if label.how == "shadow"}
    wrong = {label.query_id for label in labels if label.wrong}
    return of_questions([label for label in labels if label.query_id in drawn | wrong])


_WORTH = {"escalation": 0, "shadow": 1, "feedback": 2}


def _quality(objective: Quality, known: Known) -> Fit:
    # Every rung is proved by itself; together they hold with the confidence asked for.
    confidence = 1 - (1 - objective.confidence) / max(1, len(known.kinds))
    needed = needed_labels(objective.share, confidence)
    rungs, proved = [], True
    for kind in known.kinds:
        mine = [label for label in known.labels if label.kind == kind]
        proof = prove(for_proof(mine), objective.share, confidence)
        tally = counts(mine, needed)
        if proof.threshold is not None:
            after = proof.threshold
            says = (
                f"proved below a difficulty of {after:.2f}: {proof.wrong} of {proof.labels} labelled answers"
                " were wrong"
            )
        else:
            proved = False
            after = highest_not_refuted(of_questions(mine), objective.share, CLIMB_ABOVE)
            says = _not_proved(tally)
            if after < CLIMB_ABOVE:
                says += f"; too many of the labelled answers are wrong, so it climbs from {after:.2f} on"
        rungs.append(RungCalibration(kind, tally, known.before.get(kind, CLIMB_ABOVE), after, says))
    state: CalibrationState = "guaranteed" if proved and rungs else "careful"
    return Fit(state, tuple(rungs), _quality_sentence(objective, state, rungs, known.shadow_share))


def _not_proved(tally: LabelCounts) -> str:
    if tally.drawn < tally.needed:
        return f"too few labels: {tally.drawn} of the {tally.needed} needed were drawn at random"
    return f"{tally.drawn} labels were drawn at random, and they do not prove it"


def _quality_sentence(
    objective: Quality, state: CalibrationState, rungs: Sequence[RungCalibration], shadow_share: float
) -> str:
    claim = f"at least as good as premium on {_percent(objective.share)} of answered questions"
    if state == "guaranteed":
        drawn = sum(rung.labels.drawn for rung in rungs)
        return (
            f"With {_percent(objective.confidence)} confidence, answers are {claim}: shown by {drawn}"
            " questions drawn at random, and true for questions like these."
        )
    short = [rung for rung in rungs if rung.labels.drawn < rung.labels.needed]
    if short:
        fewest = min(short, key=lambda rung: rung.labels.drawn)
        why = f"too few labels: {fewest.labels.drawn} of {fewest.labels.needed} needed"
    else:
        why = "the labels do not show it" if rungs else "no rung below premium can be used"
    lowered = any(rung.after < CLIMB_ABOVE for rung in rungs)
    then = "climbs sooner than by its careful default" if lowered else "stays on its careful default"
    hint = " Shadow samples are off; they are what draws questions at random." if not shadow_share else ""
    return f"Not guaranteed yet ({claim}): {why}. Rung {then}.{hint}"


def _price(objective: Price, known: Known) -> Fit:
    if objective.value_nano == 0:
        usual: float | None = NEVER
    elif known.extra_nano is None:
        usual = None
    else:
        usual = min(NEVER, max(0.0, known.extra_nano / objective.value_nano))
    says = (
        "climbs where the difficulty times the worth of an avoided mistake is more than the extra price of"
        " the next rung, worked out for each question"
    )
    if usual is not None:
        says += f"; for a question of the average price that is a difficulty of {min(1.0, usual):.2f}"
    rungs = tuple(
        RungCalibration(
            kind,
            counts([label for label in known.labels if label.kind == kind]),
            known.before.get(kind, CLIMB_ABOVE),
            CLIMB_ABOVE if usual is None else round(usual, 4),
            says,
        )
        for kind in known.kinds
    )
    return Fit("set", rungs, f"Rung {says}. Doubtful answers that are not worth it are not shown.")


def _share(objective: Share, known: Known) -> Fit:
    enough = len(known.probabilities) >= LEAST_QUESTIONS
    after = CLIMB_ABOVE
    says = f"too few questions to spread the share over ({len(known.probabilities)} of {LEAST_QUESTIONS})"
    if enough:
        after = _quantile(known.probabilities, 1 - objective.premium)
        says = (
            f"the hardest {_percent(objective.premium)} of {len(known.probabilities)} questions begin there"
        )
    rungs = tuple(
        RungCalibration(
            kind,
            counts([label for label in known.labels if label.kind == kind]),
            known.before.get(kind, CLIMB_ABOVE),
            after,
            says,
        )
        for kind in known.kinds
    )
    statement = (
        f"At most {_percent(objective.premium)} of the questions of any {objective.window_days} days go to"
        f" premium by Rung's own choice, those it finds hardest; Rung climbs from a difficulty of"
        f" {min(1.0, after):.2f} on: {says}."
    )
    return Fit("set", rungs, statement)


def _quantile(values: Sequence[float], share: float) -> float:
    """The value above which the rest lies; never reached where there is to be no rest."""
    ordered = sorted(values)
    rank = round(share * len(ordered))
    return NEVER if rank >= len(ordered) else round(ordered[rank], 4)


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"
