"""A gateway of which one thread is slow or stands still."""

import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.freeze import Frozen
from support.harness import Deployment
from support.talk import opened_ws, sentinel
from support.waiting import scaled, stays_true, wait_until
from support.worker import new_id
from support.ws_client import TEXT, WsClient

MIB = 1 << 20
ROUTES = [
    ("news", {"path": "/news", "topic": "news"}),
    ("all", {"path": "/**", "service": "default"}),
]
QUIET = {"workers": "2", "worker_timeout": "1h", "worker_queue": "1MiB"}


def deployed(**settings):
    return Deployment(routes=ROUTES, settings={**QUIET, **settings})


def on_worker(own, number, count=1):
    """Open WebSockets, each as (client, id), that belong to that thread of the gateway."""
    found = []
    while len(found) < count:
        client, event = opened_ws(own, "thread")
        if int(event.chan.rsplit(".", 1)[1], 16) % 2 == number:
            found.append((client, event.chan))
    return found


def settle(own, chan):
    """Until the gateway's bus has done all before, whichever thread it was for."""
    own.main.ask("CLOSE", chan.rsplit(".", 1)[0] + ".ffff")  # nobody's, on the other thread


def fill(own, chan):
    """Sends to a thread that stands still, until one does not fit; returns how many fitted."""
    for number in range(100):
        own.main.send(chan, b"x" * 100_000, bin=1, id=new_id())
        settle(own, chan)
        refused = own.main.find("ERR", chan)
        if refused:
            assert refused[0].code == "full", refused
            return number
    raise AssertionError("100 records of 100 kB fit into 1 MiB")


@case(seconds=60)
def a_thread_that_stands_still_ends_the_process():
    with deployed(worker_timeout="3s") as own:
        own.main = own.worker("default")
        opened_ws(own, "hang")
        began = time.monotonic()
        with Frozen(own.edge.pid, "worker-1"):
            wait_until(lambda: "event=worker_hangs" in own.edge.log(), 10, "the end")
        status = own.edge.process.wait(scaled(20))
        assert status == -signal.SIGABRT, status
        assert 2.5 < time.monotonic() - began < scaled(8)
        log = own.edge.log()
        assert "worker=1" in log and "limit_ms=3000" in log, log
        own.edge.kill()
        own.edges.clear()


@case(seconds=60)
def a_pause_of_the_whole_process_is_not_a_thread_that_stands_still():
    with deployed(worker_timeout="3s") as own:
        own.main = own.worker("default")
        client, event = opened_ws(own, "pause")
        own.edge.signal(signal.SIGSTOP)
        time.sleep(4)  # longer than a thread may stand still, shorter than the lease
        own.edge.signal(signal.SIGCONT)
        client.text("still here")
        own.main.wait_for("TEXT", event.chan)
        stays_true(own.edge.is_running, 1, "the gateway runs")


@case(seconds=60)
def a_thread_that_is_stopped_for_a_moment_goes_on_with_everything():
    with deployed(worker_queue="64MiB") as own:
        own.main = own.worker("default")
        (client, chan), = on_worker(own, 0)
        with Frozen(own.edge.pid, "worker-0"):
            for number in range(500):
                own.main.send(chan, str(number))
            assert own.main.ask("GET", "stats").verb == "INFO"
        assert [client.read_text() for _ in range(500)] == [str(n) for n in range(500)]


@case(seconds=60)
def a_full_thread_holds_up_no_other_and_refuses_those_who_ask():
    with deployed() as own:
        own.main = own.worker("default")
        (slow, slow_chan), = on_worker(own, 0)
        (quick, quick_chan), = on_worker(own, 1)
        with Frozen(own.edge.pid, "worker-0"):
            fitting = fill(own, slow_chan)
            own.main.send(quick_chan, "not held up")
            assert quick.read_text() == "not held up"
            quick.text("nor this way")
            assert own.main.wait_for("TEXT", quick_chan).payload == b"nor this way"
        assert 8 <= fitting <= 12, "a queue of 1 MiB"
        for _ in range(fitting):
            assert len(slow.read_message()[1]) == 100_000
        own.main.send(slow_chan, "open: who asked was told")
        text = slow.read_message()[1]
        while len(text) == 100_000:
            text = slow.read_message()[1]
        assert text == b"open: who asked was told"


@case(seconds=60)
def a_send_that_nobody_asks_about_closes_its_channel_when_the_thread_is_full():
    with deployed() as own:
        own.main = own.worker("default")
        (dropped, dropped_chan), (spared, spared_chan) = on_worker(own, 0, 2)
        with Frozen(own.edge.pid, "worker-0"):
            fill(own, spared_chan)
            own.main.send(dropped_chan, "dropped")
            own.main.send(dropped_chan, "dropped as well")
            own.main.sub(dropped_chan, "a/topic")
            settle(own, dropped_chan)
        assert dropped.read_close().code == 1013
        dropped.send_close(1013)
        closed = own.main.wait_close(dropped_chan)
        assert closed.cause == "slow" and closed.status == 0, closed
        assert own.main.ask_send(spared_chan, "spared").verb == "OK"
        assert not own.main.find("CLOSE", spared_chan)
        assert own.edge.log().count("event=worker_queue_full") >= 1
        refused = len(own.main.find("ERR", spared_chan))
        assert own.edge.metric("ringway_worker_queue_full_total") == refused + 3


def what_readers_get(own, filled, **options):
    """Publishes `before`, five that one thread has no room for, and `after`: the texts that each
    of 16 readers, some on each thread, gets after `before`."""
    readers = []
    for _ in range(16):
        client = WsClient.connect(own.address, "/news", protocols=["ringway.1"])
        own.clients.append(client)
        readers.append(client)
        client.read_message()  # ready
    own.main.ask("PUB", "news", payload="before")
    with Frozen(own.edge.pid, "worker-0"):
        fill(own, filled)
        for number in range(5):
            answer = own.main.ask("PUB", "news", payload=f"lost {number}", **options)
            assert answer.verb == "OK", answer
        settle(own, filled)
    sentinel(own)
    assert own.main.ask("PUB", "news", payload="after").verb == "OK"
    for client in readers:
        texts = []
        while not texts or b"after" not in texts[-1]:
            opcode, text = client.read_message()
            assert opcode == TEXT
            texts.append(text)
        assert b"before" in texts[0], texts
        yield texts[1:-1]


@case(seconds=60)
def publications_that_do_not_fit_come_from_history():
    with deployed() as own:
        own.main = own.worker("default")
        (_, filled), = on_worker(own, 0)
        for texts in what_readers_get(own, filled):
            assert len(texts) == 5 and all(b"lost" in text for text in texts), texts
        assert own.edge.metric("ringway_worker_queue_full_total") > 0


@case(seconds=60)
def publications_that_do_not_fit_and_are_not_held_are_one_gap_at_their_place():
    with deployed() as own:
        own.main = own.worker("default")
        (_, filled), = on_worker(own, 0)
        told = 0
        for texts in what_readers_get(own, filled, hist=0):
            if len(texts) == 1:
                assert b'"gap"' in texts[0] and b'"history"' in texts[0], texts
                told += 1
            else:
                assert len(texts) == 5 and all(b"lost" in text for text in texts), texts
        assert 1 <= told < 16, told


if __name__ == "__main__":
    run(deployed)
