"""The one way out to addresses that people type in: checked, limited, and never into the network by surprise.

A host is looked up once; every address that it has is checked, and the connection goes to the very address
that was checked, so that a second look-up cannot lead elsewhere. Names stay in `Host` and in TLS. A redirect
is a new request and is checked like the first. Proxies and settings of the environment are not read.
"""

from app.core.outgoing.answer import read_limited, retry_after_seconds
from app.core.outgoing.client import USER_AGENT, Outgoing
from app.core.outgoing.error import OutgoingError, reaching

__all__ = ["USER_AGENT", "Outgoing", "OutgoingError", "reaching", "read_limited", "retry_after_seconds"]
