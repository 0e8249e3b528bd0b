"""What a client asked for: the metadata of OPEN and ADOPT.  Pure."""

import json
import re
from urllib.parse import parse_qsl, unquote


class Headers:
    """Header fields in the order in which they came; names do not care about case."""

    def __init__(self, pairs=()):
        self.pairs = [(str(name), str(value)) for name, value in pairs]

    def get(self, name, default=None):
        """The first value of that name."""
        name = name.lower()
        return next((v for n, v in self.pairs if n.lower() == name), default)

    def all(self, name):
        """Every value of that name."""
        name = name.lower()
        return [v for n, v in self.pairs if n.lower() == name]

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name):
        return self.get(name) is not None

    def __iter__(self):
        return iter(self.pairs)

    def __len__(self):
        return len(self.pairs)

    def __repr__(self):
        return "Headers(%r)" % (self.pairs,)


class Request:
    """The request that opened a channel.

    method, target, version, scheme, peer, local, carrier ("ws" or "http"), route: text
    headers   Headers
    path      the path of the target, percent-decoded
    query     dict of the query's parameters (the last one wins); `query_string` has it raw
    params    dict: what the route's {name} segments matched
    offers    list of the subprotocols that a WebSocket client offered
    body      bytes; None when the body follows in parts (see Channel.on_body, read_body)
    protocol  the subprotocol that was agreed; known for an adopted channel only

    Of an adopted channel only carrier, route, params, protocol and peer are known; the other
    texts are empty.
    """

    def __init__(self, meta, body):
        for name in ("method", "target", "version", "scheme", "peer", "local", "route"):
            setattr(self, name, str(meta.get(name) or ""))
        self.carrier = str(meta.get("carrier") or "http")
        self.protocol = meta.get("protocol") or None
        self.headers = Headers(meta.get("headers") or ())
        self.params = dict(meta.get("params") or {})
        self.offers = list(meta.get("offers") or ())
        self.body_follows = meta.get("body") == "follows"
        self.body = None if self.body_follows else body
        self._split_target()

    def _split_target(self):
        target = self.target
        if not target.startswith("/"):
            # An absolute form: what is before the path does not matter here.
            target = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*", "", target) or target
        path, _, self.query_string = target.partition("?")
        self.path = unquote(path)
        self.query = dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def is_websocket(self):
        return self.carrier == "ws"

    @classmethod
    def parse(cls, payload):
        """From the payload of OPEN or ADOPT: one line of JSON, and perhaps LF and a body."""
        line, _, body = (payload or b"").partition(b"\n")
        meta = json.loads(line) if line.strip() else {}
        if not isinstance(meta, dict):
            raise ValueError("metadata is not an object")
        return cls(meta, body)
