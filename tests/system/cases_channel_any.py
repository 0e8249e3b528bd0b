"""The contract of a channel, the same sentences over all three carriers: WebSocket, stream, and a
request that is held (long poll).  What a carrier cannot do stands in its class."""

import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.talk import unique
from support.worker import head_payload
from support.ws_client import BINARY, Refused, WsClient

TEXT = [("Content-Type", "application/octet-stream")]
ROUTES = [
    ("news", {"path": "/news/{section}", "topic": "news/{section}"}),
    ("nobody", {"path": "/nobody/**", "service": "nobody", "open_timeout": "300ms"}),
    ("rest", {"path": "/any/**", "service": "default"}),
]


class Carrier:
    """A client and its channel.  In the order of a life: Carrier(), say and hear, an end."""

    kind = "http"
    left_status = -1  # what the application is told when the client leaves
    failed = b""

    def __init__(self, own, worker=None, target=None):
        self.own, self.worker = own, worker or own.main
        self.target = target or unique("any/" + type(self).__name__.lower())
        self.client = self.connect()
        self.event = self.worker.wait_open(self.target)
        self.chan = self.event.chan
        self.begin()

    def connect(self):
        client = self.own.http()
        client.request("GET", self.target)
        return client

    def begin(self):
        """What the application does before its first message."""

    def leave(self):
        self.client.close()

    def ended(self):
        """Asserts that nothing more comes."""
        self.client.expect_end()


class WebSocket(Carrier):
    kind = "ws"
    left_status = 1006
    messages = 20

    def connect(self):
        return self.own.ws(self.target)

    def say(self, payload, **options):
        return self.worker.ask_send(self.chan, payload, bin=1, **options)

    def hear(self):
        opcode, data = self.client.read_message()
        assert opcode == BINARY, opcode
        return data

    def sees_close(self):
        assert self.client.read_close().code == 1000
        self.client.send_close(1000)
        self.ended()

    def sees_failure(self):
        assert self.client.read_close().code == 1011
        self.client.send_close(1011)
        self.ended()

    def sees_stop(self):
        assert self.client.read_close().code == 1001
        self.client.send_close(1001)
        self.ended()


class Stream(Carrier):
    messages = 20

    def begin(self):
        self.worker.respond(self.chan, 200, TEXT, b"", close=None)
        head = self.client.read_head()
        assert head.status == 200 and head.has_token("transfer-encoding", "chunked"), head.raw

    def say(self, payload, **options):
        return self.worker.ask_send(self.chan, payload, bin=1, **options)

    def hear(self):
        return self.client.read_chunk()

    def sees_close(self):
        assert self.client.read_chunk() == b""
        self.client.expect_silence(0.02)

    def sees_failure(self):
        self.ended()  # without a last chunk

    def sees_stop(self):
        assert self.client.read_chunk() == b""
        self.ended()


class Poll(Carrier):
    messages = 1  # an answer is the end of the channel

    def say(self, payload, **options):
        head = head_payload(TEXT, payload)
        return self.worker.ask_send(self.chan, head, status=200, close=1, **options)

    def hear(self):
        response = self.client.read_response()
        assert response.status == 200, response
        return response.body

    def sees_close(self):
        assert self.client.read_response().status == 204
        self.client.expect_silence(0.02)

    def sees_failure(self):
        response = self.client.read_response()
        assert response.status == 500 and b"secret" not in response.body, response

    def sees_stop(self):
        assert self.client.read_response().status == 503
        self.ended()


CARRIERS = (WebSocket, Stream, Poll)


def ends_once(own, channel, status, cause):
    """Asserts that the application heard of exactly one end, the last thing that it heard."""
    closed = channel.worker.wait_close(channel.chan)
    assert (closed.status, closed.cause) == (status, cause), (type(channel).__name__, closed)
    sentinel_any(own)
    events = channel.worker.events(channel.chan)
    verbs = [record.verb for record in events]
    assert verbs.count("CLOSE") == 1 and verbs[-1] == "CLOSE" and verbs[0] == "OPEN", verbs
    seqs = [int(record.seq) for record in events]
    assert seqs == sorted(set(seqs)), seqs
    return closed


def sentinel_any(own):
    """A good exchange on a new connection: what came before it has been seen."""
    probe = Poll(own)
    probe.say(b"well")
    assert probe.hear() == b"well"
    probe.client.close()


@case()
def open_is_the_first_event_and_tells_everything(ctx):
    for carrier in CARRIERS:
        channel = carrier(ctx)
        first = ctx.main.events(channel.chan)[0]
        assert first.verb == "OPEN" and first.seq == "1", first
        meta = first.meta
        assert meta["carrier"] == carrier.kind and meta["method"] == "GET", meta
        assert meta["target"] == channel.target and meta["route"] == "rest", meta
        assert meta["peer"] == channel.client.local, meta


@case()
def what_is_sent_arrives_in_order_and_unchanged(ctx):
    for carrier in CARRIERS:
        channel = carrier(ctx)
        for number in range(carrier.messages):
            payload = b"%d \x00\xff\r\n\n %s" % (number, bytes(range(256)))
            assert channel.say(payload).verb == "OK", carrier
            assert channel.hear() == payload, carrier


@case()
def sends_without_waiting_arrive_in_order(ctx):
    for carrier in (WebSocket, Stream):
        channel = carrier(ctx)
        for number in range(500):
            ctx.main.send(channel.chan, str(number), bin=1)
        got = b"".join(channel.hear() for _ in range(500))
        assert got == b"".join(b"%d" % number for number in range(500)), carrier


@case()
def four_mebibytes_arrive_whole(ctx):
    payload = bytes(range(256)) * (4 * 4096 - 1)
    for carrier in CARRIERS:
        channel = carrier(ctx)
        assert channel.say(payload).verb == "OK", carrier
        assert channel.hear() == payload, carrier


@case()
def a_close_of_the_application_ends_it_once(ctx):
    for carrier in CARRIERS:
        channel = carrier(ctx)
        assert ctx.main.ask("CLOSE", channel.chan).verb == "OK"
        channel.sees_close()
        ends_once(ctx, channel, 0, "server")


@case()
def a_client_that_leaves_is_reported_once(ctx):
    for carrier in CARRIERS:
        for leave in (lambda c: c.client.close(), lambda c: c.client.reset()):
            channel = carrier(ctx)
            leave(channel)
            ends_once(ctx, channel, carrier.left_status, "client")


@case()
def a_closed_channel_is_gone_for_every_command(ctx):
    for carrier in CARRIERS:
        channel = carrier(ctx)
        channel.leave()
        ctx.main.wait_close(channel.chan)
        for command in (("SEND", channel.chan), ("CLOSE", channel.chan),
                        ("SUB", channel.chan, "some/topic"), ("ACCEPT", channel.chan)):
            answer = ctx.main.ask(*command)
            assert answer.verb == "ERR" and answer.code == "gone", (carrier, command, answer)
        ends_once(ctx, channel, carrier.left_status, "client")


@case()
def an_id_never_means_another_channel(ctx):
    seen = set()
    for _ in range(20):
        for carrier in CARRIERS:
            channel = carrier(ctx)
            assert channel.chan not in seen
            seen.add(channel.chan)
            channel.leave()
    for chan in seen:
        ctx.main.wait_close(chan)
    fresh = [carrier(ctx) for carrier in CARRIERS]
    for chan in seen:
        assert ctx.main.ask_send(chan, b"stray").code == "gone"
    for channel in fresh:
        channel.say(b"mine")
        assert channel.hear() == b"mine"


@case(seconds=90)
def both_ends_at_once_are_reported_once(ctx):
    for carrier in CARRIERS:
        channels = []
        for number in range(60):
            channel = carrier(ctx)
            first, then = channel.leave, lambda c=channel: ctx.main.close(c.chan)
            for step in (first, then) if number % 2 else (then, first):
                step()
            channels.append(channel)
        for channel in channels:
            closed = ctx.main.wait_close(channel.chan)
            assert closed.cause in ("server", "client"), (carrier, closed)
        sentinel_any(ctx)
        for channel in channels:
            verbs = [record.verb for record in ctx.main.events(channel.chan)]
            assert verbs == ["OPEN", "CLOSE"], (carrier, verbs)


@case()
def a_failure_of_the_application_shows_no_internals(ctx):
    for carrier in CARRIERS:
        channel = carrier(ctx)
        ctx.main.close(channel.chan, 500)
        channel.sees_failure()
        ends_once(ctx, channel, 0, "app-error")


@case()
def without_a_worker_every_carrier_gets_503(ctx):
    for carrier in CARRIERS:
        if carrier is WebSocket:
            try:
                ctx.ws("/nobody/ws")
                raise AssertionError("101 although nobody is there")
            except Refused as refused:
                response = refused.response
        else:
            response = ctx.http().get("/nobody/" + carrier.__name__)
        assert response.status == 503 and response.head.get("retry-after") == "1", response


@case(seconds=90)
def a_dead_workers_unacknowledged_open_goes_to_the_next():
    for carrier in CARRIERS:
        with Deployment(routes=ROUTES, settings={"close_timeout": "200ms"}) as own:
            first = own.worker(auto_ack=False)
            target = unique("any/dies")
            client = WsClient(own.address) if carrier is WebSocket else own.http()
            own.clients.append(client)
            if carrier is WebSocket:
                client.send(client.handshake_bytes(target))
            else:
                client.request("GET", target)
            event = first.wait_open(target)
            first.stop()
            own.workers.remove(first)
            second = own.worker()
            again = second.wait_for("OPEN", event.chan, timeout=15)
            assert again.options.get("try") == "2" and again.seq == "1", again
            assert again.payload == event.payload, "the second worker is told the same"
            second.close(event.chan)  # which the client does not answer
            assert second.wait_close(event.chan).status == 0


@case()
def a_stop_of_the_gateway_is_told_to_both_ends():
    for carrier in CARRIERS:
        with Deployment(routes=ROUTES, settings={"drain_grace": "300ms"}) as own:
            own.main = own.worker()
            channel = carrier(own)
            edge = own.edge
            edge.signal(signal.SIGTERM)
            channel.sees_stop()
            closed = own.main.wait_close(channel.chan)
            assert (closed.status, closed.cause) == (0, "drain"), (carrier, closed)
            assert edge.wait_exit(10) == 0, edge.log()[-2000:]
            edge.check_log()
            own.edges.remove(edge)


@case()
def a_lost_edge_is_told_to_the_application():
    for carrier in CARRIERS:
        with Deployment(routes=ROUTES, broker={"edge_lease": "1s"}) as own:
            own.main = own.worker()
            channel = carrier(own)
            own.edges.pop().kill()
            closed = own.main.wait_close(channel.chan, timeout=15)
            assert closed.cause == "edge-lost", closed
            assert closed.status == carrier.left_status, closed


# The same publications over a topic route


class Reader:
    """A client of a topic route on one carrier: next() is (cursor, data)."""

    def __init__(self, own, how, topic):
        self.how, self.target = how, "/" + topic
        if how == "ws":
            self.client = own.ws(self.target, protocols=["ringway.1"])
            self.cursor = json.loads(self.client.read_text())["cursor"]
        elif how == "poll":
            self.client = own.http()
            self.cursor = json.loads(self.client.get(self.target + "?wait=0").body)["cursor"]
            self.kept = []
            self.ask()
        else:
            self.client = own.http()
            accept = [("Accept", "text/event-stream")] if how == "sse" else []
            query = "?carrier=stream" if how == "stream" else ""
            self.client.request("GET", self.target + query, accept)
            assert self.client.read_head().status == 200
            self.text = b""
            if how == "sse":
                self.cursor = dict(self.event())["id"]

    def ask(self):
        """The next poll."""
        self.client.request("GET", f"{self.target}?cursor={self.cursor}&wait=10")

    def event(self):
        """The lines of the next event, comments left out."""
        while b"\n\n" not in self.text:
            self.text += self.client.read_chunk()
        block, _, self.text = self.text.partition(b"\n\n")
        lines = [line.partition(":") for line in block.decode().split("\n")]
        return [(name, value.removeprefix(" ")) for name, _, value in lines if name]

    def next(self):
        if self.how == "ws":
            message = json.loads(self.client.read_text())
            return message["cursor"], message["data"]
        if self.how == "sse":
            event = self.event()
            while not any(name == "data" for name, _ in event):
                event = self.event()
            return dict(event)["id"], "\n".join(v for name, v in event if name == "data")
        if self.how == "stream":
            while b"\n" not in self.text:
                self.text += self.client.read_chunk()
            line, _, self.text = self.text.partition(b"\n")
            return None, line.decode()
        while not self.kept:
            answer = json.loads(self.client.read_response().body)
            self.kept = answer["messages"]
            self.cursor = answer["cursor"]
            if not self.kept:
                self.ask()
        message = self.kept.pop(0)
        return message["cursor"], message["data"]


@case()
def one_publication_reaches_all_carriers_with_one_cursor(ctx):
    numbers = iter(range(10_000))
    stream = Reader(ctx, "stream", "news/all")
    others = [Reader(ctx, how, "news/all") for how in ("ws", "sse")]
    first_heard(ctx, stream, numbers)
    poll = Reader(ctx, "poll", "news/all")
    cursor, data = first_heard(ctx, poll, numbers)
    for reader in [stream, *others]:
        heard = reader.next()
        while heard[1] != data:
            heard = reader.next()
        assert heard[0] in (None, cursor), (reader.how, heard, cursor)


@case()
def an_empty_publication_is_a_publication(ctx):
    numbers = iter(range(10_000))
    for how in ("ws", "sse", "stream"):  # a poll could be between two requests: a gap
        reader = Reader(ctx, how, "news/all")
        first_heard(ctx, reader, numbers)
        for payload in ("", "after"):
            assert ctx.main.ask("PUB", "news/all", payload=payload).verb == "OK"
        heard = [reader.next()[1] for _ in range(2)]
        assert heard == ["", "after"], (how, heard)


def first_heard(ctx, reader, numbers):
    """Publishes until this reader, which does not say when it has joined, hears something."""
    for number in numbers:
        assert number < 100, f"{reader.how} never joined"
        assert ctx.main.ask("PUB", "news/all", payload=f"Grüße, 世界 {number}").verb == "OK"
        reader.client.timeout = 0.2
        try:
            return reader.next()
        except AssertionError:
            continue  # it had not joined yet
        finally:
            reader.client.timeout = 10.0


@case()
def an_application_subscribes_channels_of_every_carrier(ctx):
    topic = "mixed/room"
    channels = [WebSocket(ctx), Stream(ctx)]
    for channel in channels:
        assert ctx.main.ask("SUB", channel.chan, topic).verb == "OK"
    for number in range(20):
        ctx.main.pub(topic, f"n{number};", bin=1)
    wanted = b"".join(b"n%d;" % number for number in range(20))
    for channel in channels:
        got = b""
        while len(got) < len(wanted):
            got += channel.hear()
        assert got == wanted, (type(channel).__name__, got)
    assert ctx.main.ask("PUB", topic, payload="not to the first", bin=1,
                        **{"except": channels[0].chan}).verb == "OK"
    assert channels[1].hear() == b"not to the first"
    assert ctx.main.ask("UNSUB", channels[1].chan, topic).verb == "OK"
    assert ctx.main.ask("PUB", topic, payload="the last", bin=1).verb == "OK"
    assert channels[0].hear() == b"the last"
    channels[1].client.expect_silence(0.1)


@case()
def one_send_reaches_channels_of_every_carrier(ctx):
    channels = [WebSocket(ctx), Stream(ctx)]
    gone = Stream(ctx)
    gone.leave()
    ctx.main.wait_close(gone.chan)
    chans = ",".join([channel.chan for channel in channels] + [gone.chan])
    answer = ctx.main.ask_send(chans, b"to all", bin=1)
    assert answer.verb == "OK", answer
    assert (answer.options["sent"], answer.options["gone"]) == ("2", "1"), answer
    for channel in channels:
        assert channel.hear() == b"to all"


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
