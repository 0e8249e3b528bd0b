"""One channel, three carriers: every scenario runs over a WebSocket, a stream and a held request."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.talk import hold, unique
from support.ws_talk import join
from support.ws_client import BINARY, TEXT


class OverWebSocket:
    """Each message is a frame."""

    name = "websocket"
    carrier = "ws"
    gone = 1006

    def __init__(self, ctx, worker=None):
        self.worker = worker or ctx.main
        self.client, self.event = join(ctx, "ws", worker=self.worker)

    def begin(self):
        """The channel is open once the handshake is over."""

    def receive(self):
        opcode, data = self.client.read_message()
        assert opcode in (TEXT, BINARY), opcode
        return data

    def expect_end(self, failed=False):
        close = self.client.read_close()
        assert close.code == (1011 if failed else 1000), close
        self.client.send_close(close.code)
        self.client.expect_end()

    def leave(self):
        self.client.close()


class OverStream:
    """Each message is a chunk."""

    name = "stream"
    carrier = "http"
    gone = -1

    def __init__(self, ctx, worker=None):
        self.worker = worker or ctx.main
        self.client, self.event = hold(ctx, "stream", worker=self.worker)

    def begin(self):
        self.worker.send(self.event.chan, b"")
        assert self.client.read_head().has_token("transfer-encoding", "chunked")

    def receive(self):
        return self.client.read_chunk()

    def expect_end(self, failed=False):
        if failed:
            self.client.expect_end()
        else:
            assert self.client.read_chunk() == b""

    def leave(self):
        self.client.close()


class OverPoll:
    """The one message is the answer."""

    name = "poll"
    carrier = "http"
    gone = -1

    def __init__(self, ctx, worker=None):
        self.worker = worker or ctx.main
        self.client, self.event = hold(ctx, "poll", worker=self.worker)
        self.response = None

    def begin(self):
        """It is held from the start."""

    def receive(self):
        self.response = self.client.read_response()
        return self.response.body

    def expect_end(self, failed=False):
        if self.response is None:
            self.response = self.client.read_response()
            assert self.response.status == (500 if failed else 204), self.response

    def leave(self):
        self.client.close()


CARRIERS = (OverWebSocket, OverStream, OverPoll)


def over_all(scenario):
    """Declares the scenario as a case for each carrier."""
    for kind in CARRIERS:

        def one(ctx, kind=kind):
            scenario(ctx, kind)

        one.__name__ = f"{scenario.__name__}_over_{kind.name}"
        case(shared=True)(one)
    return scenario


def ended(channel, status, cause):
    """The CLOSE came, once, as the last event."""
    closed = channel.worker.wait_close(channel.event.chan)
    assert closed.status == status and closed.cause == cause, closed
    verbs = [event.verb for event in channel.worker.events(channel.event.chan)]
    assert verbs[0] == "OPEN" and verbs[-1] == "CLOSE" and verbs.count("CLOSE") == 1, verbs


@over_all
def open_comes_first_and_tells_the_request(ctx, kind):
    channel = kind(ctx)
    assert int(channel.event.seq) == 1, channel.event
    assert channel.event.meta["carrier"] == kind.carrier
    assert channel.event.meta["method"] == "GET"
    assert channel.event.meta["peer"].startswith("127.0.0.1:")
    channel.leave()
    ended(channel, kind.gone, "client")


@over_all
def a_send_with_close_is_delivered_and_ends_the_channel(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    ctx.main.send(channel.event.chan, b"the last word", close=1)
    assert channel.receive() == b"the last word"
    channel.expect_end()
    ended(channel, 0, "server")


@over_all
def a_send_is_answered_and_after_the_end_it_is_gone(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    answer = ctx.main.ask_send(channel.event.chan, b"x", close=1)
    assert answer.verb == "OK", answer
    assert channel.receive() == b"x"
    channel.expect_end()
    ended(channel, 0, "server")
    answer = ctx.main.ask_send(channel.event.chan, b"too late")
    assert answer.verb == "ERR" and answer.code == "gone", answer


@over_all
def an_answer_to_want_written_comes_when_the_kernel_has_it(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    answer = ctx.main.ask_send(channel.event.chan, b"w" * 1000, close=1, want="written")
    assert answer.verb == "OK", answer
    assert channel.receive() == b"w" * 1000
    channel.expect_end()


@over_all
def a_close_without_a_send_ends_cleanly(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    ctx.main.close(channel.event.chan)
    channel.expect_end()
    ended(channel, 0, "server")


@over_all
def a_failure_of_the_application_ends_the_channel_as_such(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    ctx.main.close(channel.event.chan, 500)
    channel.expect_end(failed=True)
    ended(channel, 0, "app-error")


@over_all
def a_client_that_leaves_is_reported_once(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    channel.leave()
    ended(channel, kind.gone, "client")


@over_all
def a_publication_reaches_a_subscribed_channel(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    topic = unique("topic")[1:]
    ctx.main.sub(channel.event.chan, topic)
    ctx.main.pub(topic, b"news")
    assert channel.receive() == b"news"
    channel.leave()
    ctx.main.wait_close(channel.event.chan)


@over_all
def bytes_that_are_no_text_arrive_as_they_are(ctx, kind):
    channel = kind(ctx)
    channel.begin()
    data = bytes(range(256))
    ctx.main.send(channel.event.chan, data, bin=1, close=1)
    assert channel.receive() == data
    channel.expect_end()


@over_all
def messages_arrive_in_the_order_of_the_sends(ctx, kind):
    texts = [b"one", b"two", b"three"]
    if kind is OverPoll:
        channels = [kind(ctx) for _ in texts]
        for channel, text in zip(channels, texts):
            ctx.main.send(channel.event.chan, text, close=1)
        assert [channel.receive() for channel in channels] == texts
        return
    channel = kind(ctx)
    channel.begin()
    for text in texts:
        ctx.main.send(channel.event.chan, text)
    assert [channel.receive() for _ in texts] == texts
    ctx.main.close(channel.event.chan)
    channel.expect_end()


if __name__ == "__main__":
    run()
