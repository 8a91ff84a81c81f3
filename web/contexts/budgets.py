"""The context of the page of budgets."""

from dataclasses import dataclass
from typing import ClassVar

from web.contexts.base import PageContext
from web.present.admin.budgets import BudgetEventView, BudgetFormView, BudgetView


@dataclass(frozen=True, slots=True)
class BudgetsPage(PageContext):
    template: ClassVar[str] = "admin/budgets.html"
    month: str
    budgets: tuple[BudgetView, ...]
    form: BudgetFormView
    events: tuple[BudgetEventView, ...]
    news: str | None
