"""Stops one thread of a program while the others go on, as a bug would."""

import ctypes
import os
import pathlib

from support.case import Skip

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17  # <sys/ptrace.h>
_ALL = 0x40000000  # __WALL of <sys/wait.h>


class Frozen:
    """The thread of that name stands still inside the `with`."""

    def __init__(self, pid, name):
        self.thread = thread_id(pid, name)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def _trace(self, request):
        zero = ctypes.c_void_p(0)
        if self.libc.ptrace(request, self.thread, zero, zero) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def __enter__(self):
        try:
            self._trace(_SEIZE)
        except PermissionError as error:
            raise Skip(f"threads cannot be stopped here: {error}") from None
        self._trace(_INTERRUPT)
        os.waitpid(self.thread, _ALL)
        return self

    def __exit__(self, *_):
        try:
            self._trace(_DETACH)
        except ProcessLookupError:  # the program has ended, and waits for us
            os.waitpid(self.thread, _ALL)


def thread_id(pid, name):
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text(encoding="ascii").strip() == name:
            return int(task.name)
    raise AssertionError(f"process {pid} has no thread {name}")
