"""What is spent and held in a month, by the workspace, a team and a person: guarded UPDATEs decide.

The functions run inside the caller's transaction, which has locked the workspace's chain. A question moves
three accounts, its asker's, the team's and the workspace's, always in this order, and all of them or none:
what raises here leaves the transaction to be rolled back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from app.core.errors import BudgetExceededError, BudgetScope, ConfigurationError, IntegrityError
from billing.money import MAX_NANO, format_money

_CAPS = text(
    "SELECT scope, cap_nano, currency FROM budget_entry WHERE workspace_id = :workspace_id"
    " AND (scope = 'workspace' OR (scope = 'team' AND scope_id = :team)"
    " OR (scope = 'user' AND scope_id = :user_id))"
    " ORDER BY number"
)
_HOLD_SHARE = text(
    "UPDATE ledger_share SET held_nano = held_nano + :nano WHERE workspace_id = :workspace_id"
    " AND period = :period AND scope = :scope AND scope_id = :scope_id"
    " AND spent_nano + held_nano + :nano <= :limit"
)
_HOLD = text(
    "UPDATE ledger_account SET held_nano = held_nano + :nano, cap_nano = :cap"
    " WHERE workspace_id = :workspace_id AND period = :period AND currency = :currency"
    " AND spent_nano + held_nano + :nano <= :limit"
)
_NEW_SHARE = text(
    "INSERT INTO ledger_share (workspace_id, period, scope, scope_id, spent_nano, held_nano)"
    " VALUES (:workspace_id, :period, :scope, :scope_id, 0, 0) ON CONFLICT DO NOTHING"
)
_NEW_ACCOUNT = text(
    "INSERT INTO ledger_account (workspace_id, period, currency, spent_nano, held_nano)"
    " VALUES (:workspace_id, :period, :currency, 0, 0) ON CONFLICT DO NOTHING"
)
_SHARE = text(
    "SELECT spent_nano, held_nano FROM ledger_share WHERE workspace_id = :workspace_id"
    " AND period = :period AND scope = :scope AND scope_id = :scope_id"
)
_ACCOUNT = text(
    "SELECT spent_nano, held_nano, currency FROM ledger_account"
    " WHERE workspace_id = :workspace_id AND period = :period"
)
_SETTLE_SHARES = text(
    "UPDATE ledger_share SET held_nano = held_nano - :freed, spent_nano = spent_nano + :spent"
    " WHERE workspace_id = :workspace_id AND period = :period"
    " AND ((scope = 'user' AND scope_id = :user_id) OR (scope = 'team' AND scope_id = :team))"
)
_SETTLE = text(
    "UPDATE ledger_account SET held_nano = held_nano - :freed, spent_nano = spent_nano + :spent"
    " WHERE workspace_id = :workspace_id AND period = :period"
)
_WHOSE: Mapping[BudgetScope, str] = {
    "user": "your budget",
    "team": "the team's budget",
    "workspace": "the company's budget",
}


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose accounts a question moves, in a month: the asker's, the team's and the workspace's."""

    workspace_id: str
    team: str
    user_id: str
    period: str


@dataclass(frozen=True, slots=True)
class Cap:
    """What was set last for a scope; `nano` is nothing where there is no limit."""

    nano: int | None
    currency: str


def period_of(moment: datetime) -> str:
    """The calendar month, in UTC, that a question is accounted in, such as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def lowest(*caps_nano: int | None) -> int | None:
    """The lowest of several limits; nothing where none is given."""
    return min((nano for nano in caps_nano if nano is not None), default=None)


def hold(connection: Connection, payer: Payer, *, currency: str, nano: int, setting_nano: int | None) -> None:
    """Holds an amount if spent, held and this together stay within every budget. An amount of 0 always fits.

    Args:
        setting_nano: the workspace's limit from the settings; what admins set counts beside it.

    Raises:
        BudgetExceededError: names the scope and says what is left; nothing is held then.
        ConfigurationError: `currency_mixed` when this month is accounted in another currency,
            `budget_currency` when a budget is.
    """
    caps = _caps(connection, payer)
    _hold_share(
        connection, payer, "user", payer.user_id, _limit(caps, "user", currency, nano), currency, nano
    )
    _hold_share(connection, payer, "team", payer.team, _limit(caps, "team", currency, nano), currency, nano)
    cap = lowest(setting_nano, _limit(caps, "workspace", currency, nano))
    _hold_workspace(connection, payer, currency, nano, cap)


def settle(connection: Connection, payer: Payer, *, freed_nano: int, spent_nano: int) -> None:
    """Frees what was held and adds what was spent, in all three accounts.

    Raises:
        IntegrityError: `account_missing`.
    """
    values = {
        "workspace_id": payer.workspace_id,
        "period": payer.period,
        "freed": freed_nano,
        "spent": spent_nano,
    }
    shares = connection.execute(_SETTLE_SHARES, {**values, "user_id": payer.user_id, "team": payer.team})
    settled = connection.execute(_SETTLE, values)
    if (shares.rowcount, settled.rowcount) != (2, 1):
        raise IntegrityError(
            f"An account of {payer.workspace_id} for {payer.period} is gone; run `ledger verify` and restore"
            " a backup.",
            code="account_missing",
        )


def _caps(connection: Connection, payer: Payer) -> dict[str, Cap]:
    found = connection.execute(
        _CAPS, {"workspace_id": payer.workspace_id, "team": payer.team, "user_id": payer.user_id}
    )
    return {scope: Cap(cap_nano, currency) for scope, cap_nano, currency in found}


def _limit(caps: Mapping[str, Cap], scope: BudgetScope, currency: str, nano: int) -> int | None:
    """The limit of a scope, nothing where there is none."""
    cap = caps.get(scope)
    if cap is None or cap.nano is None:
        return None
    if cap.currency != currency and nano > 0:
        raise ConfigurationError(
            f"{_WHOSE[scope].capitalize()} is in {cap.currency}, and the price plan is in {currency}; an"
            f" admin has to set it anew in {currency}.",
            code="budget_currency",
        )
    return cap.nano


def _hold_share(
    connection: Connection,
    payer: Payer,
    scope: BudgetScope,
    scope_id: str,
    cap_nano: int | None,
    currency: str,
    nano: int,
) -> None:
    key = {"workspace_id": payer.workspace_id, "period": payer.period, "scope": scope, "scope_id": scope_id}
    limit = MAX_NANO if cap_nano is None or nano == 0 else cap_nano
    values = {**key, "nano": nano, "limit": limit}
    if connection.execute(_HOLD_SHARE, values).rowcount == 1:
        return
    connection.execute(_NEW_SHARE, key)
    if connection.execute(_HOLD_SHARE, values).rowcount == 1:
        return
    spent, held = connection.execute(_SHARE, key).one()
    raise _exceeded(scope, spent + held, limit, currency, nano)


def _hold_workspace(
    connection: Connection, payer: Payer, currency: str, nano: int, cap_nano: int | None
) -> None:
    key = {"workspace_id": payer.workspace_id, "period": payer.period}
    limit = MAX_NANO if cap_nano is None or nano == 0 else cap_nano
    values = {**key, "currency": currency, "nano": nano, "cap": cap_nano, "limit": limit}
    if connection.execute(_HOLD, values).rowcount == 1:
        return
    connection.execute(_NEW_ACCOUNT, {**key, "currency": currency})
    if connection.execute(_HOLD, values).rowcount == 1:
        return
    spent, held, accounted_in = connection.execute(_ACCOUNT, key).one()
    if accounted_in != currency:
        raise ConfigurationError(
            f"{payer.period} is accounted in {accounted_in}, so a price plan in {currency} cannot be used"
            " before next month; set RUNG_PRICE_PLAN to one in the same currency.",
            code="currency_mixed",
        )
    raise _exceeded("workspace", spent + held, limit, currency, nano)


def _exceeded(
    scope: BudgetScope, used_nano: int, limit_nano: int, currency: str, nano: int
) -> BudgetExceededError:
    left = format_money(max(limit_nano - used_nano, 0), currency)
    return BudgetExceededError(
        f"This question may cost {format_money(nano, currency)}, and {left} of {_WHOSE[scope]} of"
        f" {format_money(limit_nano, currency)} is left this month. Choose a cheaper rung, or have the budget"
        " raised.",
        scope=scope,
    )
