"""What a gateway does for the carriers of a session, seen from the broker's side: the records that
it says and takes, and what the client gets of them.  docs/protocol/1-bus.md section 5.4,
docs/protocol/2-client.md section 7."""

import hashlib
import json
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.fake_broker import FakeBroker
from support.harness import Folder, Gateway, flags, write_config
from support.http_client import HttpClient
from support.session_client import read_close
from support.waiting import wait_until
from support.ws_client import Refused, WsClient

EPOCH = "00000000000000aa"
ROUTES = [
    ("rooms", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("chat", {"path": "/chat", "service": "default", "session": "on",
              "session-subject": "X-User"}),
    ("other", {"path": "/other", "service": "default", "session": "on"}),
]
TOKEN = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


def position(number):
    return f"{EPOCH}:{number}"


def sid_of(token):
    digest = hashlib.sha256(token.encode()).hexdigest()[:32]
    return f"session.{digest[:16]}.{digest[16:]}"


def option(record, name):
    for token in record.raw.split(b"\n", 1)[0].decode().split(" "):
        if token.startswith(name + "="):
            return token[len(name) + 1:]
    return None


def is_seen(own, wanted, seconds=0.3):
    """Does the gateway say in so short a time that the client has this position?"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        own.broker.pump()
        if any(record.tokens[1] == wanted for record in own.broker.find("SEEN")):
            return True
    return False


def is_refused(address, target):
    """Is a message of 60,000 bytes too much now?  Else its channel ends with this client."""
    with HttpClient(address, timeout=0.3) as client:
        client.request("POST", target, body=b"y" * 60000)
        try:
            return client.read_response().status == 503
        except AssertionError:
            return False


class Edge:
    """A gateway with session routes, under a broker that the test plays."""

    def __init__(self, **settings):
        self.broker = FakeBroker()
        self.folder = Folder()
        self.clients = []
        config = self.folder.path / "edge.conf"
        write_config(config, {}, ROUTES)
        words = flags({"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "edge_name": "edge1",
                       "broker": self.broker.endpoint, "drain_grace": "0s", **settings})
        self.gateway = Gateway("ringway-gateway", ["--config", config] + words, self.folder.path)

    def __enter__(self):
        self.gateway.start().wait_ready()
        self.broker.sync()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        self.gateway.kill()
        self.broker.close()
        self.folder.remove()

    def say(self, verb, *tokens, payload=None, **options):
        """The next numbered command."""
        self.broker.say(verb, str(self.broker.c + 1), *tokens, payload=payload, **options)

    def ask(self, target="/chat", method="GET", headers=(), body=None):
        """A request, and the OPEN of its channel."""
        client = HttpClient(self.gateway.address)
        self.clients.append(client)
        mark = self.broker.mark()
        client.request(method, target, headers=headers, body=body)
        return client, self.broker.wait_for("OPEN", after=mark)

    def shake(self, target="/chat", protocols=("ringway.1",), headers=()):
        """A WebSocket's handshake, and the OPEN of its channel."""
        client = WsClient(self.gateway.address)
        self.clients.append(client)
        mark = self.broker.mark()
        client.send(client.handshake_bytes(target, headers=headers, protocols=protocols))
        return client, self.broker.wait_for("OPEN", after=mark)

    def bind(self, opened, att=1, up=0, at=1, payload=None, **options):
        chan = opened.tokens[0]
        self.say("BIND", chan, option(opened, "sid"), str(att), str(up), position(at),
                 payload=payload, grace="30000", **options)
        return chan

    def ack(self, chan, seq):
        self.say("ACK", "-", payload=f"{chan} {seq}\n")

    def answer(self, chan, asked, messages, end, more=None):
        """The answer to a HGET: messages are (number, data)."""
        for number, data in messages:
            self.say("HIST", chan, position(number), "-", payload=data, n=option(asked, "n"))
        options = {"more": "1"} if more else {}
        self.say("LIVE", chan, position(end), n=option(asked, "n"), **options)

    def new_websocket(self, target="/chat", at=1, up=0):
        """A new session: (client, its channel, its token)."""
        client, opened = self.shake(target)
        chan = self.bind(opened, at=at, up=up)
        head = client.finish_handshake()
        first = json.loads(client.read_text())
        assert head.get("Ringway-Session") == first["session"], (head, first)
        assert sid_of(first["session"]) == option(opened, "sid"), opened
        assert first["cursor"] == position(at) and first["up"] == up, first
        self.ack(chan, 1)
        return client, chan, first["session"]


# The token


@case()
def a_token_never_travels_on_the_bus():
    with Edge() as own:
        headers = [("Ringway-Session", TOKEN), ("X-User", "u")]
        _, opened = own.ask(f"/chat?a=1&session={TOKEN}&sess%69on={TOKEN}&b=2", headers=headers)
        assert TOKEN.encode() not in opened.raw, opened
        assert opened.meta["target"] == "/chat?a=1&b=2", opened.meta
        assert opened.meta["session"] is True, opened.meta
        assert option(opened, "sid") == sid_of(TOKEN) and option(opened, "mode") == "join", opened


@case()
def a_client_that_shows_no_token_gets_one_of_its_own():
    with Edge() as own:
        tokens = set()
        for _ in range(3):
            client, opened = own.ask()
            assert option(opened, "mode") == "new", opened
            own.bind(opened)
            answer = client.read_response()
            token = json.loads(answer.body)["session"]
            assert re.fullmatch("[A-Za-z0-9_-]{43}", token), token
            assert answer.head.get("Ringway-Session") == token, answer
            tokens.add(token)
        assert len(tokens) == 3


@case()
def whose_a_session_is_depends_on_route_and_subject_only():
    def who(own, target, user, method="GET"):
        body = b"x" if method == "POST" else None
        _, opened = own.ask(target, method, headers=[("X-User", user)] if user else (), body=body)
        return option(opened, "as")

    with Edge() as own:
        target = f"/chat?session={TOKEN}"
        first = who(own, target, "ann")
        assert first == who(own, target, "ann", "POST")
        others = {who(own, target, "bob"), who(own, target, None),
                  who(own, f"/other?session={TOKEN}", "ann")}
        assert len(others) == 3 and first not in others, (first, others)


@case()
def a_request_that_breaks_the_rules_of_sessions_is_refused():
    with Edge() as own:
        for method, target, status in [
                ("GET", "/chat?session=x", 400), ("POST", "/chat", 400), ("DELETE", "/chat", 400),
                ("POST", f"/chat?session={TOKEN}&n=0", 400), ("PUT", f"/chat?session={TOKEN}", 405),
                ("HEAD", "/chat", 405)]:
            with HttpClient(own.gateway.address) as client:
                client.request(method, target, body=b"x" if method == "POST" else None)
                answer = client.read_response(method)
                assert answer.status == status, (method, target, answer)
        with HttpClient(own.gateway.address) as client:
            client.request("POST", f"/chat?session={TOKEN}", body=b"\xff")
            assert client.read_response().status == 400


# Downwards


@case()
def a_websocket_gets_its_token_then_what_is_sent_and_published():
    with Edge() as own:
        client, chan, _ = own.new_websocket(at=7)
        own.say("SEND", chan, payload=b"one", pos=position(8))
        assert json.loads(client.read_text()) == {"cursor": position(8), "data": "one"}
        own.say("SEND", chan, payload=b"\x00\xff", pos=position(9), bin="1")
        assert json.loads(client.read_text()) == {"cursor": position(9), "base64": "AP8="}
        own.say("SUB", chan, "rooms/1", since=position(9))
        own.broker.say("HB", "0", EPOCH)
        own.say("PUB", "rooms/1", position(10), payload=b"all")
        assert json.loads(client.read_text()) == {
            "cursor": position(10), "topic": "rooms/1", "data": "all"}
        own.say("SEND", chan, payload=b"again", pos=position(10))
        own.say("SEND", chan, payload=b"next", pos=position(11))
        assert json.loads(client.read_text())["data"] == "next"


@case()
def a_websocket_without_the_subprotocol_gets_messages_as_they_are():
    with Edge() as own:
        client, opened = own.shake(protocols=None)
        chan = own.bind(opened)
        head = client.finish_handshake()
        assert sid_of(head.get("Ringway-Session")) == option(opened, "sid"), head
        own.say("SEND", chan, payload=b"plain", pos=position(2))
        assert client.read_text() == "plain"


@case()
def who_comes_back_gets_what_was_missed_then_what_is_new():
    with Edge() as own:
        client, opened = own.shake(f"/chat?session={TOKEN}&cursor={position(3)}")
        assert option(opened, "cursor") == position(3), opened
        chan = own.bind(opened, att=2, up=5, at=9)
        client.finish_handshake()
        assert json.loads(client.read_text()) == {
            "session": TOKEN, "up": 5, "cursor": position(3)}
        asked = own.broker.wait_for("HGET")
        assert asked.tokens[1] == position(3) and asked.payload in (None, b""), asked
        own.say("SEND", chan, payload=b"too early", pos=position(10))
        own.answer(chan, asked, [(4, b"four"), (10, b"ten")], 10)
        own.say("SEND", chan, payload=b"live", pos=position(11))
        got = [json.loads(client.read_text()) for _ in range(3)]
        assert [g["data"] for g in got] == ["four", "ten", "live"], got
        assert [g["cursor"] for g in got] == [position(n) for n in (4, 10, 11)], got


@case()
def a_gap_stands_at_its_place():
    with Edge() as own:
        client, opened = own.shake(f"/chat?session={TOKEN}&cursor={position(3)}")
        chan = own.bind(opened, att=2, at=9)
        client.finish_handshake()
        client.read_text()
        asked = own.broker.wait_for("HGET")
        own.say("GAP", chan, position(3), position(5), "history", n=option(asked, "n"))
        own.answer(chan, asked, [(6, b"six")], 9)
        gap = json.loads(client.read_text())["gap"]
        assert (gap["from"], gap["to"], gap["reason"]) == (position(3), position(5), "history"), gap
        assert json.loads(client.read_text())["data"] == "six"


@case()
def an_event_source_gets_session_messages_and_ids():
    with Edge() as own:
        client, opened = own.ask(headers=[("Accept", "text/event-stream")])
        chan = own.bind(opened, at=4)
        head = client.read_head()
        assert head.get("Content-Type") == "text/event-stream", head
        first = client.read_chunk().decode()
        token = head.get("Ringway-Session")
        assert first.startswith(f"id: {position(4)}\nevent: session\ndata: "), first
        assert json.loads(first.split("data: ")[1])["session"] == token, first
        own.say("SEND", chan, payload=b"a\nb", pos=position(5))
        assert client.read_chunk() == f"id: {position(5)}\ndata: a\ndata: b\n\n".encode()
        own.say("DROP", chan, "superseded")
        last = client.read_chunk().decode()
        assert last.endswith("event: superseded\ndata: {}\n\n"), last
        assert not client.read_chunk()


@case()
def an_event_source_that_wants_json_gets_what_a_websocket_gets():
    with Edge() as own:
        client, opened = own.ask("/chat?format=json", headers=[("Accept", "text/event-stream")])
        chan = own.bind(opened, at=4)
        head = client.read_head()
        assert head.get("Ringway-Format") == "json", head
        own.say("SEND", chan, payload=b"x", pos=position(5))
        own.say("DROP", chan, "superseded")
        events = [client.read_chunk().decode() for _ in range(3)]
        assert not any("event:" in event for event in events), events
        objects = [json.loads(event.split("data: ")[1]) for event in events]
        assert objects[0]["session"] == head.get("Ringway-Session"), objects
        assert objects[1:] == [{"cursor": position(5), "data": "x"}, {"superseded": True}], objects


@case()
def a_stream_gets_lines_and_is_told_the_end_of_the_session():
    with Edge() as own:
        client, opened = own.ask("/chat?carrier=stream")
        chan = own.bind(opened, at=4)
        head = client.read_head()
        assert head.get("Content-Type") == "application/x-ndjson", head
        own.say("SEND", chan, payload=b"x", pos=position(5))
        own.say("CLOSE", chan, "4001", payload=b"bye")
        lines = [json.loads(client.read_chunk()) for _ in range(3)]
        assert lines[0]["session"] == head.get("Ringway-Session"), lines
        assert lines[1:] == [{"cursor": position(5), "data": "x"},
                             {"ended": {"status": 4001, "reason": "bye"}}], lines
        assert not client.read_chunk()


@case()
def a_poll_is_answered_with_all_that_was_missed():
    with Edge() as own:
        client, opened = own.ask(f"/chat?session={TOKEN}&cursor={position(1)}")
        chan = own.bind(opened, att=2, up=3, at=4)
        asked = own.broker.wait_for("HGET")
        own.answer(chan, asked, [(2, b"a"), (4, b"b")], 4)
        answer = json.loads(client.read_response().body)
        assert answer == {"session": TOKEN, "up": 3, "cursor": position(4), "messages": [
            {"cursor": position(2), "data": "a"}, {"cursor": position(4), "data": "b"}]}, answer
        closed = own.broker.wait_for("CLOSE")
        assert closed.tokens[0] == chan and option(closed, "end") is None, closed


@case()
def a_poll_waits_for_the_next_message_or_as_long_as_it_wants():
    with Edge() as own:
        client, opened = own.ask(f"/chat?session={TOKEN}&wait=60")
        chan = own.bind(opened, att=2, at=4)
        own.answer(chan, own.broker.wait_for("HGET"), [], 4)
        own.broker.pump()
        own.say("SEND", chan, payload=b"now", pos=position(5))
        answer = json.loads(client.read_response().body)
        assert answer["cursor"] == position(5), answer
        assert [m["data"] for m in answer["messages"]] == ["now"], answer
        mark = own.broker.mark()
        client, opened = own.ask(f"/chat?session={TOKEN}&wait=0&cursor={position(5)}")
        chan = own.bind(opened, att=3, at=5)
        own.answer(chan, own.broker.wait_for("HGET", after=mark), [], 5)
        answer = json.loads(client.read_response().body)
        assert answer["messages"] == [] and answer["cursor"] == position(5), answer


@case()
def what_a_websocket_has_confirmed_is_told_once_a_second():
    with Edge() as own:
        client, chan, _ = own.new_websocket(at=7)
        for number in range(8, 28):
            own.say("SEND", chan, payload=b"x", pos=position(number))
        texts = 0
        while texts < 20 or not own.broker.find("SEEN") or (
                own.broker.find("SEEN")[-1].tokens[1] != position(27)):
            if texts < 20 or not is_seen(own, position(27)):
                frame = client.read_frame()
                texts += frame.opcode == 1
                if frame.opcode == 9:
                    client.frame(10, frame.payload)
        seen = own.broker.find("SEEN")
        assert all(record.tokens[0] == chan for record in seen), seen
        assert len(seen) <= 3, seen  # the pings are a second apart


# Upwards


@case()
def a_post_is_answered_when_a_worker_has_processed_it():
    with Edge() as own:
        client, opened = own.ask(f"/chat?session={TOKEN}&n=7", "POST", body="grüß".encode())
        chan = opened.tokens[0]
        assert option(opened, "mode") == "post", opened
        text = own.broker.wait_for("TEXT")
        assert text.tokens[0] == chan and option(text, "n") == "7", text
        assert text.payload == "grüß".encode(), text
        own.ack(chan, 1)
        client.expect_silence()
        own.ack(chan, 2)
        assert client.read_response().status == 204
        closed = own.broker.wait_for("CLOSE")
        assert closed.tokens[:3] == [chan, "3", "0"] and option(closed, "end") is None, closed


@case()
def bytes_are_posted_as_bytes():
    with Edge() as own:
        headers = [("Content-Type", "application/octet-stream")]
        _, opened = own.ask(f"/chat?session={TOKEN}", "POST", headers=headers, body=b"\xff\x00")
        event = own.broker.wait_for("BIN")
        assert event.tokens[0] == opened.tokens[0] and event.payload == b"\xff\x00", event
        assert option(event, "n") is None, event


@case()
def a_post_that_nobody_processes_is_told_so():
    with Edge(answer_timeout="300ms", open_timeout="300ms") as own:
        client, opened = own.ask(f"/chat?session={TOKEN}", "POST", body=b"x")
        own.ack(opened.tokens[0], 1)
        answer = client.read_response()
        assert answer.status == 503 and answer.head.get("Retry-After") == "1", answer
        client, _ = own.ask(f"/chat?session={TOKEN}", "POST", body=b"x")
        assert client.read_response().status == 503


@case()
def a_message_over_the_limit_is_refused():
    with Edge(message_limit="1000") as own:
        with HttpClient(own.gateway.address) as client:
            client.request("POST", f"/chat?session={TOKEN}", body=b"x" * 1001)
            assert client.read_response().status == 413
        _, opened = own.ask(f"/chat?session={TOKEN}", "POST", body=b"x" * 1000)
        assert option(opened, "mode") == "post"


@case()
def messages_that_are_being_posted_have_a_limit_together():
    with Edge(workers="1", service_window_bytes="100KiB") as own:
        target = f"/chat?session={TOKEN}"
        slow = HttpClient(own.gateway.address)
        own.clients.append(slow)
        head = slow.format("POST", target, [("Content-Length", "80000")])
        slow.send(head + b"x" * 60000)
        wait_until(lambda: is_refused(own.gateway.address, target), 5, "503")
        slow.send(b"x" * 20000)
        own.broker.wait_for("TEXT", where=lambda record: len(record.payload) == 80000)
        own.ask(target, "POST", body=b"y" * 60000)


@case()
def messages_of_a_websocket_that_counts_are_numbered_and_confirmed():
    with Edge() as own:
        client, opened = own.shake("/chat?n=4")
        chan = own.bind(opened, up=3)
        client.finish_handshake()
        client.read_text()
        for text in ("a", "b", "c"):
            client.text(text)
        texts = [own.broker.wait_for("TEXT", count=at) for at in (1, 2, 3)]
        assert [option(t, "n") for t in texts] == ["4", "5", "6"], texts
        own.ack(chan, 3)
        assert json.loads(client.read_text()) == {"up": 5}
        own.ack(chan, 4)
        assert json.loads(client.read_text()) == {"up": 6}


@case()
def what_another_carrier_brought_meanwhile_is_confirmed_when_it_is_repeated():
    with Edge() as own:
        client, opened = own.shake("/chat?n=1")
        chan = own.bind(opened)
        client.finish_handshake()
        client.read_text()
        own.ack(chan, 1)
        client.text("a")
        own.broker.wait_for("TEXT")
        own.say("UP", chan, "1")  # it came by a POST, too
        own.ack(chan, 2)
        assert json.loads(client.read_text()) == {"up": 1}


@case()
def a_delete_and_a_post_with_end_end_the_session():
    with Edge() as own:
        client, opened = own.ask(f"/chat?session={TOKEN}", "DELETE")
        own.ack(opened.tokens[0], 1)
        assert client.read_response().status == 204
        closed = own.broker.wait_for("CLOSE")
        assert closed.tokens[1] == "2" and option(closed, "end") == "1", closed
        mark = own.broker.mark()
        client, opened = own.ask(f"/chat?session={TOKEN}&end=1", "POST", body=b"last")
        own.ack(opened.tokens[0], 2)
        assert client.read_response().status == 204
        closed = own.broker.wait_for("CLOSE", after=mark)
        assert closed.tokens[1] == "3" and option(closed, "end") == "1", closed


# Refusals


@case()
def a_drop_is_the_status_that_it_means():
    meaning = {"unknown": 410, "ended": 410, "identity": 403, "superseded": 409, "full": 503}
    with Edge() as own:
        for reason, status in meaning.items():
            client, opened = own.ask(f"/chat?session={TOKEN}")
            own.say("DROP", opened.tokens[0], reason)
            answer = client.read_response()
            assert answer.status == status, (reason, answer)
        client, opened = own.ask(f"/chat?session={TOKEN}", "POST", body=b"x")
        own.say("DROP", opened.tokens[0], "full")
        answer = client.read_response()
        assert answer.status == 429 and answer.head.get("Retry-After") == "1", answer
        assert own.gateway.metric("ringway_session_drops_total", reason="full") == 2


@case()
def a_drop_is_the_close_code_that_it_means():
    meaning = {"unknown": 4410, "ended": 4410, "identity": 4403, "superseded": 4409}
    with Edge() as own:
        for reason, code in meaning.items():
            client, opened = own.shake(f"/chat?session={TOKEN}")
            own.say("DROP", opened.tokens[0], reason)
            client.finish_handshake()
            assert read_close(client).code == code, reason
        client, opened = own.shake()
        own.say("DROP", opened.tokens[0], "full")
        try:
            client.finish_handshake()
            assert False, "the handshake was accepted"
        except Refused as refused:
            assert refused.response.status == 503, refused.response
        client, chan, _ = own.new_websocket()
        own.say("DROP", chan, "superseded")
        assert read_close(client).code == 4409


@case()
def without_an_answer_of_the_broker_a_carrier_is_refused():
    with Edge(open_timeout="300ms") as own:
        client, _ = own.ask()
        assert client.read_response().status == 503


# The broker starts anew


@case()
def a_broker_that_starts_anew_is_told_every_session():
    with Edge() as own:
        client, chan, token = own.new_websocket(at=3)
        own.say("BOUND", chan, "w1.7")
        own.say("SEND", chan, payload=b"x", pos=position(4))
        client.read_text()
        gone, opened = own.ask(f"/other?session={TOKEN}")
        left = own.bind(opened, att=5, up=9, at=2, payload=f"rooms/1 {position(1)}\n",
                        worker="w2", label="ann", older="1")
        own.answer(left, own.broker.wait_for("HGET"), [(4, b"y")], 4)
        gone.read_response()
        own.broker.wait_for("CLOSE")
        own.broker.boot = "00000000000000bb"
        own.broker.c = 0
        mark = own.broker.mark()
        own.broker.say("WHO", "0")
        told = own.broker.sync(mark)
        sessions = {r.tokens[0]: r for r in told if r.verb == "SESS"}
        assert set(sessions) == {sid_of(token), sid_of(TOKEN)}, told
        served, remembered = sessions[sid_of(token)], sessions[sid_of(TOKEN)]
        assert served.tokens[1:3] == ["1", "default"], served
        assert remembered.tokens[1:6] == ["5", "default", "w2", "9", position(4)], remembered
        assert option(remembered, "older") == "1" and option(remembered, "label") == "ann"
        lines = remembered.payload.split(b"\n")
        assert lines[0].decode() == f"rooms/1 {position(1)}" and lines[1] == b"", lines
        assert json.loads(lines[2])["route"] == "other", lines
        adopted = next(r for r in told if r.verb == "ADOPT" and r.tokens[0] == chan)
        assert told.index(served) < told.index(adopted), told
        assert option(adopted, "sid") == sid_of(token) and option(adopted, "att") == "1", adopted
        asked = own.broker.wait_for("HGET", after=mark, where=lambda r: r.tokens[0] == chan)
        assert asked.tokens[1] == position(4), asked


def told_topics(own):
    """The subscriptions that each session has in the gateway's copy."""
    own.broker.c = 0
    mark = own.broker.mark()
    own.broker.say("WHO", "0")
    told = [record for record in own.broker.sync(mark) if record.verb == "SESS"]
    return {r.tokens[0]: r.payload.split(b"\n\n")[0].decode() for r in told}


@case()
def what_is_subscribed_is_told_to_a_broker_that_starts_anew():
    with Edge() as own:
        _, chan, token = own.new_websocket(at=3)
        own.say("SUB", chan, "rooms/1", pos=position(3))
        own.say("SUB", chan, "rooms/2", pos=position(3))
        own.say("UNSUB", chan, "rooms/1")
        assert told_topics(own) == {sid_of(token): f"rooms/2 {position(3)}"}


@case()
def what_is_subscribed_while_the_client_is_away_is_told_as_well():
    with Edge() as own:
        _, opened = own.ask("/chat")
        sid = option(opened, "sid")
        own.bind(opened, payload=f"rooms/1 {position(1)}\n")
        own.broker.wait_for("CLOSE")
        own.say("BIND", sid, sid, "1", "0", position(1), payload=f"rooms/2 {position(2)}\n",
                grace="30000")
        assert told_topics(own) == {sid: f"rooms/2 {position(2)}"}


@case()
def what_a_later_bind_does_not_name_is_no_more_subscribed():
    with Edge() as own:
        client, opened = own.shake("/chat")
        topics = "".join(f"rooms/{n} {position(1)}\n" for n in (1, 2))
        own.bind(opened, payload=topics)
        client.finish_handshake()
        client.read_text()
        own.broker.say("HB", "0", EPOCH)
        own.bind(opened, payload=f"rooms/2 {position(1)}\n")
        own.say("PUB", "rooms/1", position(2), payload=b"not any more")
        own.say("PUB", "rooms/2", position(3), payload=b"still")
        assert json.loads(client.read_text())["data"] == "still"


@case()
def a_bind_does_not_hide_what_was_published_before_it_from_a_client_of_the_topic():
    with Edge(workers=1) as own:
        def follow(target):
            client = WsClient(own.gateway.address)
            own.clients.append(client)
            client.send(client.handshake_bytes(target, protocols=["ringway.1"]))
            own.broker.wait_for("TSUB", where=lambda r: r.tokens[0] in target)
            return client

        first = follow("/rooms/1")
        own.say("TOP", "rooms/1", position(5))
        first.finish_handshake()
        follow(f"/rooms/2?cursor={position(5)}")
        # 6 was published in rooms/2 before anybody here wanted it.
        _, opened = own.ask("/chat")
        mark = own.broker.mark()
        own.bind(opened, at=5, payload=f"rooms/2 {position(5)}\n", pos=position(6))
        own.say("TOP", "rooms/2", position(6))
        asked = own.broker.wait_for("HGET", after=mark, where=lambda r: b"rooms/2" in r.raw)
        assert asked.tokens[1] == position(5), asked


@case()
def how_far_the_count_has_come_is_told_for_who_is_there_and_who_is_away():
    with Edge() as own:
        _, chan, token = own.new_websocket(at=3)
        _, opened = own.ask("/chat")  # a new session, answered and away
        away = option(opened, "sid")
        own.bind(opened)
        own.broker.wait_for("CLOSE")
        own.say("UP", chan, "5")
        own.say("UP", away, "7")
        own.say("UP", away, "6")
        own.broker.c = 0
        mark = own.broker.mark()
        own.broker.say("WHO", "0")
        told = {r.tokens[0]: r.tokens[4] for r in own.broker.sync(mark) if r.verb == "SESS"}
        assert told == {sid_of(token): "5", away: "7"}, told


@case()
def a_forgotten_session_is_not_told():
    with Edge() as own:
        client, chan, token = own.new_websocket()
        client.reset()
        own.broker.wait_for("CLOSE")
        own.say("FORGET", sid_of(token))
        own.broker.say("HB", "0", EPOCH)
        mark = own.broker.mark()
        own.broker.say("WHO", "0")
        told = own.broker.sync(mark)
        assert not [r for r in told if r.verb == "SESS"], told


if __name__ == "__main__":
    run()
