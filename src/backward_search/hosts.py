"""Names and addresses of machines, as a browser or an option says them."""

import ipaddress
import re

NAME = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?)\.?(?::\d{1,5})?", re.IGNORECASE)
"""A name, or an address of IPv4 or IPv6, and perhaps a port."""


def hostname(said: str) -> str:
    """The name in a `Host` header, without its port; "" where it is malformed.

    >>> [hostname(said) for said in ("Example.org.:80", "[::1]:7860", "a b", "evil@localhost", "")]
    ['example.org', '::1', '', '', '']
    """
    match = NAME.fullmatch(said)
    return match[1].lower().strip("[]") if match else ""


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches what listens there.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.3", "::1", "0.0.0.0", "::", "", "my-machine")]
    [True, True, True, False, False, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
