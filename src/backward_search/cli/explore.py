"""The options of F1."""

import ipaddress
import os
import socket
from dataclasses import dataclass

from backward_search.cli import answering_groups, groups
from backward_search.cli.definition import option, positive, require

ASK = (
    "can be reached by others: pass --auth USER:PASSWORD (or set BACKWARD_SEARCH_AUTH), "
    "or --no_auth True to let everybody in"
)


@dataclass(frozen=True)
class ExploreOptions(
    groups.WeightOptions,
    groups.PictureOptions,
    groups.OpeningOptions,
    groups.DeviceOptions,
    answering_groups.EngineChoice,
    groups.PlaceOptions,
):
    """Where the explorer listens, what it may take, and what finds the hits of every run."""

    host: str = option("the address it listens at; others than this machine can reach 0.0.0.0", "127.0.0.1")
    auth: str = option(
        "who may log in, as USER:PASSWORD, comma-separated; BACKWARD_SEARCH_AUTH in the environment does the same, "
        "unseen by other users of this machine",
        "",
    )
    no_auth: bool = option("let everybody in who can reach --host, though it is not this machine alone", False)
    allowed_hosts: str = option(
        "further names of this machine that the explorer is asked by, comma-separated, beside addresses", ""
    )
    client_requests: float = option("requests that one client may make a second, on average", 50.0)
    port: int = option("the port it listens at", 7860)
    hits: int = option("hits that are shown", 12)
    upload_mb: int = option("the largest image file that is taken, in megabytes", 20)

    def check(self) -> None:
        """Refuse values that cannot be meant."""
        require(0 < self.port < 2**16, f"--port {self.port} must lie between 1 and 65535")
        positive(self, "hits", "upload_mb", "client_requests")
        require(bool(self.users) or self.no_auth or self.is_local, f"--host {self.host} {ASK}")
        require(not (self.users and self.no_auth), "--auth and --no_auth contradict each other: leave one out")
        for name, password in self.users.items():
            require(bool(name and password), "--auth has to be USER:PASSWORD, comma-separated")

    @property
    def users(self) -> dict[str, str]:
        """By name the password of those who may log in."""
        each = (self.auth or os.environ.get("BACKWARD_SEARCH_AUTH", "")).split(",")
        return {name: password for name, _, password in (one.partition(":") for one in each if one)}

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def hosts(self) -> frozenset[str]:
        """The names that it is asked by, in small letters."""
        named = {name.strip() for name in self.allowed_hosts.split(",")}
        own = {"localhost", self.host, socket.gethostname(), socket.getfqdn()}
        return frozenset(name.lower() for name in named | own if name)
