"""What is raised: by the binding, and by handlers."""


class Error(Exception):
    """The broker refused; `code` is a code of docs/protocol/1-bus.md section 4.5."""

    def __init__(self, code: str, reason: str = "") -> None:
        super().__init__("%s: %s" % (code, reason) if reason else code)
        self.code = code
        self.reason = reason


class Refuse(Exception):
    """Raise it in a handler to give the channel to another worker."""
