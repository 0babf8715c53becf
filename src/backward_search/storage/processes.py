"""Whether a process runs, on every system."""

import os
import sys

if sys.platform == "win32":
    import ctypes

    _QUERY, _RUNNING, _DENIED = 0x1000, 259, 5
    """PROCESS_QUERY_LIMITED_INFORMATION, STILL_ACTIVE, ERROR_ACCESS_DENIED of the Windows API."""


def runs(process: int) -> bool:
    """Whether a process of this number runs on this machine, whoever it belongs to."""
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = kernel.OpenProcess(_QUERY, False, process)
        if not handle:
            return ctypes.get_last_error() == _DENIED
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return code.value == _RUNNING
    else:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True
