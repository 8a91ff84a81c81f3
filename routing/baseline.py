"""What the top rung would have done for a question that a cheaper one answered."""

from dataclasses import replace

from app.core.usage import Work
from routing.parts import Parts
from routing.tier import TierAnswer, TierRequest, WorksInSteps


def baseline_of(parts: Parts, request: TierRequest, answer: TierAnswer) -> Work:
    """What the top rung did, or would probably have done: several calls where it works in steps, as many as
    it took on average for this workspace's questions that it was free to search for, one where it never
    was asked one."""
    top = parts.ladder.top
    if answer.work.tier == top.name:
        return answer.work
    work = top.expected(request)
    if isinstance(top, WorksInSteps):
        past = parts.records.past_calls(request.caller.workspace_id, top.name)
        work = work if past is None else top.expected_in_steps(request, past)
    return replace(work, outcome=answer.work.outcome)
