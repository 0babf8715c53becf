"""Who may see the page: users with passwords, and what their browsers carry once they have given them."""

import hashlib
import hmac
import html
import http.cookies
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

HOURS = 12
"""That a login lasts."""
SESSIONS = 1000
"""Logins that are known at a time; then the oldest ends."""

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Backward Search</title>
<meta name="viewport" content="width=device-width"><style>
body {{ font: 16px system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh }}
form {{ display: grid; gap: 12px; width: 260px }} input, button {{ font: inherit; padding: 8px }}
</style><form method="post" action="login"><h1>Backward Search</h1><p role="status">{said}</p>
<input name="user" aria-label="user" placeholder="user" autocomplete="username" maxlength="200" required autofocus>
<input name="password" type="password" aria-label="password" placeholder="password" autocomplete="current-password"
maxlength="200" required><input name="link" type="hidden" value="{link}"><button>log in</button></form></html>"""


class Logins:
    """The users, and who of them is logged in."""

    def __init__(self, users: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        """These users, by name their passwords; without any everybody may come in."""
        self._users = [(_digest(name), _digest(password)) for name, password in users.items()]
        self._clock = clock
        self._open: OrderedDict[bytes, float] = OrderedDict()

    @property
    def needed(self) -> bool:
        """Whether one has to log in."""
        return bool(self._users)

    def enter(self, name: str, password: str) -> str:
        """Log in; the token that says so from now on, "" where name and password are not those of a user.

        It takes as long whatever is wrong, and with whichever user.
        """
        given, right = (_digest(name), _digest(password)), False
        for own in self._users:
            same = [hmac.compare_digest(a, b) for a, b in zip(own, given, strict=True)]
            right |= all(same)
        if not right:
            return ""
        token = secrets.token_urlsafe(32)
        self._open[_digest(token)] = self._clock() + HOURS * 3600
        while len(self._open) > SESSIONS:
            self._open.popitem(last=False)
        return token

    def knows(self, token: str) -> bool:
        """Whether a token is that of a login that has not ended."""
        until = self._open.get(_digest(token))
        return until is not None and self._clock() < until


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def cookie_name(port: int) -> str:
    """What the cookie is called: browsers share cookies between the ports of a machine."""
    return f"backward_search_{port}"


def cookie_line(name: str, token: str, *, secure: bool) -> str:
    """The header that hands a token out: no script reads it, no other site's request carries it but a link's."""
    return f"{name}={token}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def token_in(lines: Sequence[str], name: str) -> str:
    """The token among the cookies of a request; "" where there is none.

    >>> token_in(["a=1; backward_search_7860=xyz"], cookie_name(7860)), token_in(["a=]1;;"], "a"), token_in([], "a")
    ('xyz', ']1', '')
    """
    for line in lines:
        try:
            found = http.cookies.SimpleCookie(line).get(name)
        except http.cookies.CookieError:
            continue
        if found is not None:
            return found.value
    return ""


def login_page(said: str, link: str) -> bytes:
    """The page that asks for user and password, and then goes on to the state of a link."""
    return PAGE.format(said=html.escape(said), link=html.escape(link)).encode()
