"""Under which names the page may be asked for, and from where: no other site asks in a visitor's name.

A page of another site can send its visitors' browsers here. It can also let its own name point here, so that the
browser takes both for one site (DNS rebinding). The first shows in the headers `Origin` and `Sec-Fetch-Site`, the
second in `Host`; programs that are no browsers send neither of the first two.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping

from backward_search.explorer.answers import RefusedError
from backward_search.hosts import hostname


class Hosts:
    """The names of this server."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """Those that are given, beside those of this machine for itself."""
        self._names = {name.lower().strip("[]") for name in names} | {"localhost"}

    def check(self, headers: Mapping[str, list[str]], own_address: str) -> None:
        """Refuse a request under another name.

        Args:
            headers: by name in small letters, the values.
            own_address: at which the request came in, which is a name too.

        Raises:
            RefusedError: it asks for a host that this is not.
        """
        said = headers.get("host", [])
        if len(said) != 1 or not self._is_own(said[0], own_address):
            raise RefusedError(421, "this server does not go by that name: see the option --allowed_hosts")
        for other in headers.get("x-forwarded-host", []):
            if not self._is_own(other, own_address):
                raise RefusedError(
                    421, "this server does not go by that forwarded name: see the option --allowed_hosts"
                )

    def _is_own(self, said: str, own_address: str) -> bool:
        name = hostname(said)
        return bool(name) and (name in self._names or _is_address(name, own_address))


def _is_address(name: str, own: str) -> bool:
    """Whether a name is an address, of this machine for itself or that at which it was asked."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = own.removeprefix("::ffff:").partition("%")[0]
    return address.is_loopback or str(address) == mapped


def check_site(headers: Mapping[str, list[str]], *, may_be_visited: bool) -> None:
    """Refuse what a page of another site has its visitor's browser ask.

    Args:
        headers: by name in small letters, the values.
        may_be_visited: whether it is a page that a link may lead to.

    Raises:
        RefusedError: another site asks.
    """
    sites = headers.get("sec-fetch-site", [])
    visited = may_be_visited and headers.get("sec-fetch-mode") == ["navigate"]
    visited = visited and headers.get("sec-fetch-dest", ["document"]) == ["document"]
    if any(site not in ("same-origin", "none") for site in sites) and not visited:
        raise RefusedError(403, "another site may not ask for this")
    (host,) = headers["host"]
    for origin in headers.get("origin", []):
        if not visited and _without_port_80(origin.partition("://")[2]) != _without_port_80(host):
            raise RefusedError(403, "another site may not ask for this")


def _without_port_80(named: str) -> str:
    return re.sub(r":(80|443)$", "", named.lower())
