"""The steps of an answer that was made in several, as the pages show them."""

from collections.abc import Sequence

from billing.money import format_money
from routing.updates import StepUpdate
from web.present.asking.answers import document_href
from web.present.views import StepView


def step_views(steps: Sequence[StepUpdate], currency: str) -> tuple[StepView, ...]:
    """One view a step. A search that shared its call with the one before has no tokens of its own."""
    return tuple(_step_view(step, currency) for step in steps)


def _step_view(step: StepUpdate, currency: str) -> StepView:
    own = bool(step.input_tokens or step.output_tokens)
    return StepView(
        text=step.text,
        query=step.query,
        found=found_words(len(step.passages)),
        passages=tuple(
            (
                passage.title or "Untitled",
                document_href(passage.document_id, passage.start, passage.end, step.query_id),
            )
            for passage in step.passages
        ),
        tokens=f"{step.input_tokens}, {step.output_tokens}" if own else "with the one above",
        cost=format_money(step.cost_nano, currency) if own else "",
        duration=f"{step.duration_ms} ms" if own else "",
    )


def found_words(count: int) -> str:
    if not count:
        return "nothing new"
    return "1 new passage" if count == 1 else f"{count} new passages"
