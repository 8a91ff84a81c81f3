"""Which addresses may be called on behalf of an admin: public ones, and those of hosts allowed by name."""

import ipaddress
import socket
from collections.abc import Callable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], list[str]]
"""All addresses of a host, as text. Raises `OSError` when there are none."""

_NET = ipaddress.ip_network
_NEVER = (
    # Link-local holds the address at which clouds hand out their machines' own credentials.
    *map(_NET, ("169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "168.63.129.16/32", "100.100.100.200/32")),
    *map(_NET, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "::/128")),
)
_INTERNAL = tuple(
    map(
        _NET,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "::1/128",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/23",
            "2001:db8::/32",
            "5f00::/16",
            "fc00::/7",
            "fec0::/10",
        ),
    )
)
_CARRIES_V4_AT_THE_END = (_NET("::/96"), _NET("::ffff:0:0/96"), _NET("::ffff:0:0:0/96"), _NET("64:ff9b::/96"))


def system_resolve(host: str, port: int) -> list[str]:
    """What the machine's resolver says, decimal and octal forms of an address included."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def host_key(host: str) -> str:
    """The one spelling under which hosts are compared."""
    return host.strip().strip("[]").rstrip(".").lower()


def refusal(address: str, *, allowed: bool = False, named_itself: bool = False) -> str | None:
    """Why an address may not be called, or nothing where it may.

    Args:
        allowed: the admin allowed this host, so it may lie in the company's own network. What no document
            is ever behind (link-local, multicast, a cloud's metadata) stays refused.
        named_itself: the admin allowed this very address by its number.
    """
    try:
        found = _innermost(ipaddress.ip_address(address))
    except ValueError:
        return f"{address} is not an address"
    if named_itself:
        return None
    if any(found in network for network in _NEVER):
        return f"{address} is reserved for machines and their clouds"
    if not allowed and (any(found in network for network in _INTERNAL) or not found.is_global):
        return f"{address} lies in an internal network"
    return None


def _innermost(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address stands for, where it does (mapped, NAT64, 6to4)."""
    if isinstance(address, ipaddress.IPv6Address):
        number = int(address)
        if any(address in network for network in _CARRIES_V4_AT_THE_END) and number > 1:
            return ipaddress.IPv4Address(number & 0xFFFFFFFF)
        if address.sixtofour is not None:
            return address.sixtofour
    return address
