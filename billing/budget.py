"""A workspace's budget of the month: one guarded UPDATE decides, so racing questions never overspend it.

The functions run inside the caller's transaction, which has locked the workspace's chain.
"""

from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import Session, col, select, update

from app.core.errors import BudgetExceededError, ConfigurationError, IntegrityError
from billing.money import MAX_NANO, format_money
from billing.tables import AccountRow

_NEW_ACCOUNT = text(
    "INSERT INTO ledger_account (workspace_id, period, currency, spent_nano, held_nano)"
    " VALUES (:workspace_id, :period, :currency, 0, 0) ON CONFLICT DO NOTHING"
)


def period_of(moment: datetime) -> str:
    """The calendar month, in UTC, that a question is accounted in, such as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def hold(
    session: Session, workspace_id: str, period: str, *, currency: str, nano: int, cap_nano: int | None
) -> None:
    """Holds an amount if spent, held and this together stay within the cap. An amount of 0 always fits.

    Raises:
        BudgetExceededError: says what is left; nothing is held then.
        ConfigurationError: `currency_mixed` when this month is accounted in another currency.
    """
    _open_account(session, workspace_id, period, currency)
    spent, held = col(AccountRow.spent_nano), col(AccountRow.held_nano)
    limit = MAX_NANO if cap_nano is None else cap_nano
    guarded = (
        update(AccountRow)
        .where(col(AccountRow.workspace_id) == workspace_id, col(AccountRow.period) == period)
        .values(held_nano=held + nano, cap_nano=cap_nano)
        .execution_options(synchronize_session=False)
    )
    if nano > 0:
        guarded = guarded.where(spent + held + nano <= limit)
    if session.exec(guarded).rowcount == 0:
        raise _exceeded(session, workspace_id, period, currency=currency, nano=nano, limit=limit)


def settle(session: Session, workspace_id: str, period: str, *, freed_nano: int, spent_nano: int) -> None:
    """Frees what was held and adds what was spent.

    Raises:
        IntegrityError: `account_missing`.
    """
    settled = session.exec(
        update(AccountRow)
        .where(col(AccountRow.workspace_id) == workspace_id, col(AccountRow.period) == period)
        .values(
            held_nano=col(AccountRow.held_nano) - freed_nano,
            spent_nano=col(AccountRow.spent_nano) + spent_nano,
        )
        .execution_options(synchronize_session=False)
    )
    if settled.rowcount != 1:
        raise IntegrityError(
            f"The account of {workspace_id} for {period} is gone; run `ledger verify` and restore a backup.",
            code="account_missing",
        )


def _open_account(session: Session, workspace_id: str, period: str, currency: str) -> None:
    session.connection().execute(
        _NEW_ACCOUNT, {"workspace_id": workspace_id, "period": period, "currency": currency}
    )
    accounted_in = session.exec(
        select(AccountRow.currency).where(
            AccountRow.workspace_id == workspace_id, AccountRow.period == period
        )
    ).one()
    if accounted_in != currency:
        raise ConfigurationError(
            f"{period} is accounted in {accounted_in}, so a price plan in {currency} cannot be used before"
            " next month; set RUNG_PRICE_PLAN to one in the same currency.",
            code="currency_mixed",
        )


def _exceeded(
    session: Session, workspace_id: str, period: str, *, currency: str, nano: int, limit: int
) -> BudgetExceededError:
    spent, held = session.exec(
        select(AccountRow.spent_nano, AccountRow.held_nano).where(
            AccountRow.workspace_id == workspace_id, AccountRow.period == period
        )
    ).one()
    left = format_money(max(limit - spent - held, 0), currency)
    return BudgetExceededError(
        f"This question may cost {format_money(nano, currency)}, and {left} of this month's budget of"
        f" {format_money(limit, currency)} is left. Choose a cheaper rung, or have the budget raised."
    )
