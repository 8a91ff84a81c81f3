"""The desk where people choose and see a workspace's policy. Pages, API and command line all come here."""

from app.core.identity import Caller
from routing.policy.decisions import Policy
from routing.policy.objectives import Objective
from routing.policy.reports import CalibrationReport, Curve, PolicyView, QualityReport


class PolicyDesk:
    """Implements `Policies`."""

    def of(self, workspace_id: str) -> Policy:
        """The policy in force now; a new choice counts with the next question."""
        raise NotImplementedError

    def view(self, workspace_id: str) -> PolicyView:
        """What is in force and what can be said for it."""
        raise NotImplementedError

    def choose(
        self, caller: Caller, objective: Objective, *, shadow_share: float | None = None
    ) -> PolicyView:
        """Writes a new dated choice and calibrates for it. `shadow_share` of nothing keeps the present one.

        Raises:
            ForbiddenError: the caller is no admin.
            InputError: see `objectives.check`.
        """
        raise NotImplementedError

    def curve(self, workspace_id: str, days: int = 30) -> Curve:
        """What every threshold would have cost and answered locally. InputError `invalid_days`."""
        raise NotImplementedError

    def quality(self, workspace_id: str, days: int = 30) -> QualityReport:
        """How the last days went. InputError `invalid_days` outside 1 to 366."""
        raise NotImplementedError

    def calibrate(self, workspace_id: str, *, by: str = "") -> CalibrationReport:
        """Fits the thresholds to the labels there are now; writes nothing where nothing changed."""
        raise NotImplementedError
