"""The options of F1."""

import os
from dataclasses import dataclass

from backward_search.cli import about, answering_groups, groups
from backward_search.cli.definition import option, positive, require
from backward_search.hosts import hostname, is_loopback

AUTH = "BACKWARD_SEARCH_AUTH"
"""The environment variable of --auth: other users of the machine see a command, but not this."""
SHORTEST = 8


@dataclass(frozen=True)
class ExploreOptions(
    groups.WeightOptions,
    groups.PictureOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    answering_groups.EngineChoice,
    groups.PlaceOptions,
):
    """Where the explorer listens, who may come in, what it may take, and what finds the hits of every run."""

    host: str = option(
        "the address it listens at; others than this machine can reach 0.0.0.0, so that it needs --auth",
        "127.0.0.1",
        usual=True,
    )
    port: int = option("the port it listens at", 7860, usual=True)
    hits: int = option("hits that are shown", 12, usual=True)
    upload_mb: int = option("the largest image file that is taken, in megabytes", 20)
    auth: str = option(
        f"who may log in: USER:PASSWORD, several with commas; better in the environment variable {AUTH}",
        "",
        secret=True,
        usual=True,
    )
    no_auth: bool = option("let in everybody who reaches --host", False)
    allowed_hosts: str = option(
        "further names under which browsers ask for it, comma-separated, as that of a proxy before it", ""
    )

    @property
    def users(self) -> dict[str, str]:
        """By name the passwords of those who may log in; none where everybody may come in."""
        given = self.auth or ("" if self.no_auth else os.environ.get(AUTH, ""))
        return dict(_user(word) for word in given.split(",") if word)

    @property
    def public(self) -> bool:
        """Whether others than this machine can reach it."""
        return not is_loopback(self.host)

    @property
    def further_hosts(self) -> tuple[str, ...]:
        """The names of --allowed_hosts."""
        return tuple(filter(None, (word.strip() for word in self.allowed_hosts.split(","))))

    @property
    def about(self) -> str:
        """What is about to be done."""
        return f"Serve a page for exploring the runs in {self.weight_root}, {about.on_device(self.device)}"

    def check(self) -> None:
        """Refuse values that cannot be meant, and to stand open to others by mistake."""
        require(bool(self.host), "--host is empty: name an address, such as 127.0.0.1")
        for name in self.further_hosts:
            require(bool(hostname(name)), f"--allowed_hosts {name} is not the name of a host")
        require(not (self.auth and self.no_auth), "--auth and --no_auth True contradict each other: leave one out")
        closed = bool(self.users) or self.no_auth or not self.public
        remedy = f"set {AUTH}=USER:PASSWORD (or pass --auth), or pass --no_auth True to let everybody in"
        require(closed, f"--host {self.host} can be reached by others: {remedy}")
        require(0 < self.port < 2**16, f"--port {self.port} must lie between 1 and 65535")
        positive(self, "hits", "upload_mb")


def _user(word: str) -> tuple[str, str]:
    """A user and the password; a message does not repeat either.

    Raises:
        OptionError: it is not both.
    """
    name, _, password = word.partition(":")
    whole = bool(name.strip()) and len(password) >= SHORTEST
    require(whole, f"--auth, or {AUTH}, has to be USER:PASSWORD with a password of at least {SHORTEST} letters")
    return name.strip(), password
