"""A client of a session that goes round the gateways: each request to another one."""

import json
import time

from support.http_client import HttpClient
from support.waiting import scaled
from support.ws_client import WsClient


class SessionClient:
    """One session, over whatever carrier.

      token, cursor, up  what the gateways said last
      got                every message and gap of the session, in the order of arrival
      edge               index of the gateway that the last request went to
      replace            called with the index of the gateway that served the last poll, before
                         the next request; None: it lives on
    """

    replace = None

    def __init__(self, deployment, target="/chat", headers=()):
        self.deployment = deployment
        self.target = target
        self.headers = list(headers)
        self.token = None
        self.cursor = None
        self.up = None
        self.got = []
        self.edge = -1
        self.n = 0
        self._polled = None

    def next_edge(self):
        """The next gateway that runs."""
        if self.replace and self._polled is not None:
            self.replace(self._polled)
        self._polled = None
        edges = self.deployment.edges
        for _ in edges:
            self.edge = (self.edge + 1) % len(edges)
            if edges[self.edge].is_running():
                return edges[self.edge].address
        raise AssertionError("no gateway runs")

    def url(self, **query):
        shown = {"session": self.token, "cursor": self.cursor, **query}
        words = [f"{key}={value}" for key, value in shown.items() if value is not None]
        return self.target + ("?" + "&".join(words) if words else "")

    def ask(self, method="GET", headers=(), body=None, **query):
        """One request to the next gateway, and its answer."""
        with HttpClient(self.next_edge(), timeout=scaled(15)) as client:
            client.request(method, self.url(**query), headers=self.headers + list(headers), body=body)
            return client.read_response(method)

    def poll(self, wait=0, status=200):
        """A poll; returns what it brought."""
        answer = self.ask(wait=wait)
        self._polled = self.edge
        assert answer.status == status, answer
        if status != 200:
            return []
        told = json.loads(answer.body)
        self._take({key: told[key] for key in ("session", "cursor", "up")})
        self.got += told["messages"]
        return told["messages"]

    def poll_until(self, count, seconds=10):
        """Polls, from gateway to gateway, until so many messages and gaps have come in all."""
        end = time.monotonic() + scaled(seconds)
        while len(self.got) < count:
            assert time.monotonic() < end, f"only {self.got}"
            self.poll(wait=1)

    def post(self, text, status=204, counted=True, **query):
        """A message; one that counts shows its number."""
        if counted:
            self.n += 1
            query["n"] = self.n
        answer = self.ask("POST", body=text.encode(), cursor=None, **query)
        assert answer.status == status, (text, answer)
        return answer

    def websocket(self, **query):
        """A WebSocket at the next gateway, after its first frame."""
        client = WsClient.connect(self.next_edge(), self.url(**query), self.headers, ["ringway.1"])
        self._take(json.loads(client.read_text()))
        return client

    def stream(self, accept=None, **query):
        """A stream at the next gateway, after its first object; lines and events alike."""
        client = HttpClient(self.next_edge(), timeout=scaled(15))
        headers = self.headers + ([("Accept", accept)] if accept else [])
        client.request("GET", self.url(format="json", **query), headers=headers)
        head = client.read_head()
        assert head.status == 200, head
        self._take(read_object(client))
        return client

    def take(self, told):
        """An object that a carrier brought."""
        self._take(told)
        if "data" in told or "base64" in told or "gap" in told:
            self.got.append(told)
        return told

    def read_ws(self, client, count=1):
        for _ in range(count):
            self.take(json.loads(client.read_text()))

    def read_stream(self, client, count=1):
        for _ in range(count):
            self.take(read_object(client))

    def data(self):
        """What was sent and published, without the gaps."""
        return [message["data"] for message in self.got if "data" in message]

    def gaps(self):
        return [message["gap"]["reason"] for message in self.got if "gap" in message]

    def _take(self, told):
        self.token = told.get("session", self.token)
        self.cursor = told.get("cursor", self.cursor)
        self.up = told.get("up", self.up)


def read_object(client):
    """The next JSON object of a stream; comments of events are passed over."""
    while True:
        chunk = client.read_chunk()
        assert chunk, "the stream has ended"
        for line in chunk.decode().splitlines():
            if line.startswith("data: ") or line.startswith("{"):
                return json.loads(line.removeprefix("data: "))


def read_close(client):
    """The Close of a WebSocket; pings that ask how far its client has come are passed over."""
    while True:
        frame = client.read_frame()
        if frame.opcode != 9:
            assert frame.opcode == 8, frame
            return frame
