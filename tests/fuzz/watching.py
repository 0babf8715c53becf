"""What an input must not do: write beside its folder, start a program, speak to a network."""

import os
import sys
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    **{
        "os.mkdir": (2,),
        "os.remove": (1,),
        "os.rmdir": (1,),
        "os.chmod": (2,),
        "os.truncate": (),
        "shutil.rmtree": (1,),
    },
    **{"os.rename": (2, 3), "os.link": (2, 3)},
}
"""By event where its arguments have the open folders to which its paths, the first arguments, are relative."""
_NEVER = (
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.symlink", "os.startfile"),
    *("subprocess.Popen", "socket.connect", "socket.bind", "socket.getaddrinfo", "webbrowser.open", "ctypes.dlopen"),
)


class EscapedError(BaseException):
    """An input reached out; no reader catches this."""


class Watch:
    """Python's own audit of this process, as long as an input is read."""

    def __init__(self, folder: Path) -> None:
        """Let inputs write below a folder alone."""
        self._inside = str(folder) + os.sep
        self.armed = False
        self.escaped = ""
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            if isinstance(arguments[2], int) and arguments[2] & _WRITES:
                self._check(event, arguments[0])
        elif event in _CHANGES:
            homes = _CHANGES[event]
            for number in range(max(len(homes), 1)):
                self._check(event, arguments[number], arguments[homes[number]] if homes else -1)
        elif event in _NEVER:
            self._refuse(f"{event} {arguments!r}")

    def _check(self, event: str, place: Any, home: Any = -1) -> None:
        if isinstance(place, int) or place is None:
            return
        path = os.fsdecode(place)
        if isinstance(home, int) and home >= 0:
            path = os.path.join(os.readlink(f"/proc/self/fd/{home}"), path)  # noqa: PTH115, PTH118
        path = os.path.abspath(path)  # noqa: PTH100  a link stays a link
        if not (path + os.sep).startswith(self._inside) and not path.startswith("/dev/null"):
            self._refuse(f"{event} {path}")

    def _refuse(self, what: str) -> None:
        self.armed = False
        self.escaped = what
        raise EscapedError(what)
