"""What the rules found."""

import collections

Violation = collections.namedtuple("Violation", "kind channel key n text lines")

KINDS = {
    "missing": "sent on a channel whose gateway lives, and never handled",
    "duplicate": "handled more than once, beyond the window of workers that died or joined again",
    "disordered": "handled, or received by the client, in another order than sent",
    "opens": "handled without an open before it",
    "closes": "not closed exactly once, or not after everything else",
    "gap": "sent to the client, not received, and not announced",
    "cut": "a connection that ended without a word, though its gateway lives",
    "edge-lost": "closed because its gateway was lost, though nobody said that it would be",
    "unknown": "a channel or a message that nobody opened or sent",
    "odd": "something that does not belong there",
}


class Findings:
    """counts   what happened, by name; `announced` and `refused` by code
    exceptions  channels whose close was lost with broker and gateway, held by workers that do
                not CHECK: the one named exception"""

    def __init__(self):
        self.violations = []
        self.exceptions = []
        self.counts = collections.Counter()
        self.announced = collections.Counter()
        self.refused = collections.Counter()

    def violation(self, kind, channel, n, text, lines):
        """channel: a Channel or a Client."""
        self.violations.append(Violation(kind, getattr(channel, "id", None), channel.key, n, text,
                                         [line for line in lines if line]))


class Lost:
    """The gateways that were said to be lost: names, name.epoch, or HOST:PORT as clients know
    them."""

    def __init__(self, names, history):
        self._names = set(names)
        self._edges = collections.defaultdict(set)  # HOST:PORT -> names seen there
        for channel in history.channels.values():
            client = history.clients.get(channel.key)
            if client:
                self._edges[client.gateway].update((channel.edge, channel.edge_name))

    def is_named(self, channel, client):
        known = {client.gateway} if client else set()
        if channel:
            known |= {channel.edge, channel.edge_name}
        elif client:
            known |= self._edges[client.gateway]
        return bool(known & self._names)

    def is_lost(self, channel, client):
        """Named, and this channel went with it; others of that name may be from before or after
        and are judged like all."""
        if not self.is_named(channel, client):
            return False
        if channel and channel.causes() & {"edge-lost", "bus-lost"}:
            return True
        end = client and client.end
        return not end or end.get("who") == "cut" or end.get("code") == "1013"
