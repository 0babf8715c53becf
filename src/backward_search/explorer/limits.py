"""How much one client may ask for: so often, so much at once, so many bytes."""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from backward_search.explorer.answers import RefusedError

Scope = MutableMapping[str, Any]
"""What ASGI says of a request."""
CLIENTS = 10_000
"""Of so many at most it is known what they have asked for; then those of longest ago are forgotten."""


@dataclass(frozen=True)
class Rate:
    """So much at once, and so much a second from then on."""

    most: float
    per_second: float


@dataclass(frozen=True)
class Limits:
    """What one client may do; a person who drags a slider over a page of pictures stays below a tenth of it.

    Attributes:
        requests: of any kind.
        events: uses of the page's parts, which compute.
        figures: that are drawn, which takes seconds and writes a file.
        logins: passwords that are tried.
        uploaded: megabytes that are sent, in files of the largest size that is taken.
        at_once: requests that are answered at the same time, open pages included.
        pages: that are open at the same time; the oldest are forgotten.
        query_bytes: of an address, after its question mark.
        json_bytes: of what a part of the page sends.
        seconds: that a request may take, its body included.
    """

    requests: Rate = Rate(3000, 200)
    events: Rate = Rate(300, 30)
    figures: Rate = Rate(6, 0.1)
    logins: Rate = Rate(5, 0.1)
    uploaded: Rate = Rate(10, 0.05)
    at_once: int = 128
    pages: int = 60
    query_bytes: int = 16_000
    json_bytes: int = 256_000
    seconds: float = 180


class Spent:
    """What each client has spent of a rate."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody has spent anything.

        >>> now = 0.0
        >>> spent = Spent(Rate(2, 1), lambda: now)
        >>> [spent.take("a") for _ in range(3)], spent.take("b")
        ([0.0, 0.0, 1.0], 0.0)
        >>> now = 1.0
        >>> spent.take("a")
        0.0
        """
        self._rate, self._clock = rate, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, cost: float = 1) -> float:
        """Spend some of it; the seconds to wait where there is not enough left, and nothing is spent."""
        now = self._clock()
        left, since = self._left.pop(client, (self._rate.most, now))
        left = min(self._rate.most, left + (now - since) * self._rate.per_second)
        wait = max(0.0, (cost - left) / self._rate.per_second)
        self._left[client] = (left - (0 if wait else cost), now)
        while len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        return wait

    def check(self, client: str, cost: float = 1) -> None:
        """The same.

        Raises:
            RefusedError: there is not enough left.
        """
        wait = self.take(client, cost)
        if wait:
            raise RefusedError(
                429, "too many requests: wait a little and try again", {"Retry-After": f"{wait + 1:.0f}"}
            )


class AtOnce:
    """How many requests of each client are being answered."""

    def __init__(self, most: int) -> None:
        """None is; so many may be."""
        self._most, self._running = most, Counter[str]()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Answer one.

        Raises:
            RefusedError: too many are being answered.
        """
        if self._running[client] >= self._most:
            raise RefusedError(429, "too many requests at once: close some pages", {"Retry-After": "5"})
        self._running[client] += 1
        try:
            yield
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]


def client_of(scope: Scope) -> str:
    """Who asks: an address, or the network of 64 bits that one person has of IPv6.

    >>> client_of({"client": ("10.0.0.7", 4711)}), client_of({"client": ("::ffff:10.0.0.7", 1)})
    ('10.0.0.7', '10.0.0.7')
    >>> client_of({"client": ("2001:db8::1", 4711)}), client_of({})
    ('2001:db8::/64', '?')
    """
    named = scope.get("client") or ("?", 0)
    try:
        address = ipaddress.ip_address(str(named[0]).partition("%")[0])
    except ValueError:
        return str(named[0])[:100]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address.ipv4_mapped)
    return str(address)
