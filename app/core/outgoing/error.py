"""What goes wrong on the way out, in words for an admin."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.core.errors import UnavailableError


class OutgoingError(UnavailableError):
    """A call to another machine that was refused here or failed there.

    Codes: `address_refused`, `too_many_redirects`, `tls_failed`, `too_large`, `source_unreachable`,
    `source_timeout`, `unreadable_answer`.

    Args:
        passing: whether the same call may work a little later.
    """

    def __init__(self, message: str, *, code: str, passing: bool = False) -> None:
        super().__init__(message, code=code)
        self.passing = passing


@contextmanager
def reaching(host: str) -> Iterator[None]:
    """Turns httpx's errors into `OutgoingError`, with what to do. Messages never hold a whole address."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise OutgoingError(
            f"{host} did not answer in time; try later, or ask whoever runs it.",
            code="source_timeout",
            passing=True,
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise OutgoingError("Only http and https addresses are called.", code="address_refused") from error
    except httpx.HTTPError as error:
        raise _explained(host, error) from error


def _explained(host: str, error: httpx.HTTPError) -> OutgoingError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutgoingError(
                f"{host} shows a certificate that cannot be trusted ({cause.verify_message}). Mend it there, "
                "or name the file with your company's own certificates.",
                code="tls_failed",
            )
        if isinstance(cause, ssl.SSLError):
            return OutgoingError(
                f"No secure connection to {host} can be made ({cause.reason or cause}). Is it really https?",
                code="tls_failed",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        what = f"{host} cannot be reached ({error})"
    elif isinstance(error, httpx.ProtocolError):
        what = f"{host} does not answer as a web server does ({error})"
    else:
        what = f"The connection to {host} broke ({type(error).__name__})"
    return OutgoingError(
        f"{what}. Check the address, and that this machine may call it.",
        code="source_unreachable",
        passing=True,
    )
