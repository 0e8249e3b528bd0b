"""Topics with history: a client that comes back has missed nothing, or is told what."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.subscriber import READERS, subscribe
from support.talk import opened_ws
from support.waiting import wait_until

ROUTES = [
    ("rooms", {"path": "/rooms/{room}", "topic": "rooms/{room}"}),
    ("many", {"path": "/many/{x}", "topic": ["many/{x}/a", "many/{x}/b/*", "many/{x}/**"]}),
    ("paused", {"path": "/paused/{x}", "topic": "paused/{x}", "slow": "pause"}),
    ("rest", {"path": "/**", "service": "default"}),
]


def publish(ctx, topic, *texts, **options):
    """Publishes, and knows that the broker has it."""
    for text in texts:
        answer = ctx.main.ask("PUB", topic, payload=text, **options)
        assert answer.verb == "OK", answer


def each_carrier(check):
    """Runs the check once for each carrier, with its name."""
    for carrier in READERS:
        try:
            check(carrier)
        except BaseException as error:
            raise AssertionError(f"over {carrier}: {error}") from error


@case()
def who_comes_back_gets_what_was_missed_and_then_what_is_new(ctx):
    def check(carrier):
        topic = f"rooms/{carrier}"
        reader = subscribe(carrier, ctx.address, "/" + topic)
        publish(ctx, topic, "one")
        assert reader.take(1) == ["one"]
        reader.close()
        publish(ctx, topic, "two", b"\x00\xff", bin=1)
        publish(ctx, topic, "three")
        reader = subscribe(carrier, ctx.address, "/" + topic, reader.cursor)
        assert reader.take(3) == [b"two", b"\x00\xff", "three"]
        publish(ctx, topic, "four")
        assert reader.take(1) == ["four"] and not reader.gaps
        reader.close()

    each_carrier(check)


@case()
def a_cursor_is_good_over_another_carrier_and_by_another_edge():
    with Deployment(edges=2, routes=ROUTES) as own:
        own.main = own.sender()
        cursor, expected = None, 0
        publish(own, "rooms/1", "unseen")
        for turn, carrier in enumerate(list(READERS) * 2):
            address = own.edges[turn % 2].address
            reader = subscribe(carrier, address, "/rooms/1", cursor)
            if cursor:
                assert reader.take(2) == [str(expected), str(expected + 1)], carrier
                expected += 2
            cursor = reader.cursor
            reader.close()
            publish(own, "rooms/1", str(expected), str(expected + 1))


@case()
def one_cursor_is_that_of_several_topics_and_each_publication_comes_once(ctx):
    def check(carrier):
        base = f"many/{carrier}"
        reader = subscribe(carrier, ctx.address, "/" + base)
        publish(ctx, base + "/a", "1")
        publish(ctx, base + "/b/x", "2")
        publish(ctx, base, "not below itself")
        publish(ctx, base + "/c/d", "3")
        assert reader.take(3) == ["1", "2", "3"]
        reader.close()
        publish(ctx, base + "/b/x", "4")
        publish(ctx, base + "/a", "5")
        publish(ctx, base + "/b/y/z", "6")
        reader = subscribe(carrier, ctx.address, "/" + base, reader.cursor)
        assert reader.take(3) == ["4", "5", "6"]
        publish(ctx, base + "/a", "7")
        assert reader.take(1) == ["7"] and not reader.gaps
        reader.close()

    each_carrier(check)


@case()
def what_is_no_longer_held_is_a_gap_of_its_reason():
    with Deployment(routes=ROUTES, broker={"history_count": 2}) as own:
        own.main = own.sender()

        def check(carrier):
            topic = f"rooms/{carrier}"
            reader = subscribe(carrier, own.address, "/" + topic)
            cursor = reader.cursor
            reader.close()
            publish(own, topic, *"abcde")
            reader = subscribe(carrier, own.address, "/" + topic, cursor)
            assert reader.take(3) == [("gap", "history"), "d", "e"]
            assert reader.gaps[0]["from"] == cursor, reader.gaps
            reader.close()

        each_carrier(check)


@case()
def a_cursor_that_the_broker_never_gave_begins_with_all_that_is_held(ctx):
    def check(carrier):
        topic = f"rooms/odd-{carrier}"
        publish(ctx, topic, "held")
        for cursor in ("junk", "f" * 80, "00000000000000aa:5"):
            reader = subscribe(carrier, ctx.address, "/" + topic, cursor)
            assert reader.take(2) == [("gap", "restart"), "held"], cursor
            publish(ctx, topic, "new")
            assert reader.take(1) == ["new"]
            reader.close()
            topic += "+"
            publish(ctx, topic, "held")

    each_carrier(check)


@case()
def a_cursor_above_all_positions_is_a_reset(ctx):
    def check(carrier):
        topic = f"rooms/high-{carrier}"
        publish(ctx, topic, "old")
        reader = subscribe(carrier, ctx.address, "/" + topic)
        epoch = reader.cursor.partition(":")[0]
        reader.close()
        reader = subscribe(carrier, ctx.address, "/" + topic, f"{epoch}:999999999")
        assert reader.take(1) == [("gap", "reset")]
        publish(ctx, topic, "new")
        assert reader.take(1) == ["new"]
        reader.close()

    each_carrier(check)


@case(seconds=120)
def an_edge_that_is_killed_takes_nothing_along():
    with Deployment(edges=2, routes=ROUTES) as own:
        own.main = own.sender()
        readers = {c: subscribe(c, own.edges[0].address, f"/rooms/{c}") for c in READERS}
        for carrier, reader in readers.items():
            publish(own, f"rooms/{carrier}", "1")
            assert reader.take(1) == ["1"]
        own.edges[0].kill()
        for carrier, reader in readers.items():
            publish(own, f"rooms/{carrier}", "2", "3")
            reader.close()
            reader = subscribe(carrier, own.edges[1].address, f"/rooms/{carrier}", reader.cursor)
            assert reader.take(2) == ["2", "3"], carrier
            publish(own, f"rooms/{carrier}", "4")
            assert reader.take(1) == ["4"] and not reader.gaps, carrier
            reader.close()
        own.edges.pop(0)


@case(seconds=120)
def who_stayed_while_the_broker_was_killed_is_told_once_and_gets_all_that_it_holds_now():
    with Deployment(routes=ROUTES, ipc=True) as own:
        own.main = own.sender()
        stayed = ("ws", "sse", "stream")
        readers = {c: subscribe(c, own.address, f"/rooms/{c}") for c in stayed}
        for carrier, reader in readers.items():
            publish(own, f"rooms/{carrier}", "before")
            assert reader.take(1) == ["before"]
        own.broker.kill()
        own.start_broker()
        own.main = own.sender()
        for carrier in stayed:
            publish(own, f"rooms/{carrier}", "after")
        wait_until(own.edge.is_ready, 20, "the gateway is joined again")
        for carrier, reader in readers.items():
            publish(own, f"rooms/{carrier}", "later")
            assert reader.take(3) == [("gap", "restart"), "after", "later"], carrier
            assert len(reader.gaps) == 1
            reader.close()


@case(seconds=120)
def a_slow_client_of_a_route_that_pauses_catches_up():
    settings = {"out_queue": "64KiB", "send_buffer": "64KiB"}
    limits = {"history_count": 10000, "history_bytes": "64MiB"}
    with Deployment(routes=ROUTES, settings=settings, broker=limits) as own:
        own.main = own.sender()
        reader = subscribe("ws", own.address, "/paused/1")
        big = "x" * 8000
        for number in range(400):
            own.main.pub("paused/1", f"{number} {big}")
        publish(own, "paused/1", "last")
        got = reader.take_until("last")
        assert [text.partition(" ")[0] for text in got[:-1]] == [str(n) for n in range(400)]
        assert not reader.gaps
        publish(own, "paused/1", "live")
        assert reader.take(1) == ["live"]


@case()
def a_poll_that_is_behind_is_answered_at_once_with_at_most_100_messages():
    with Deployment(routes=ROUTES, broker={"history_count": 1000}) as own:
        own.main = own.sender()
        reader = subscribe("poll", own.address, "/rooms/1")
        for number in range(249):
            own.main.pub("rooms/1", str(number))
        publish(own, "rooms/1", "249")
        sizes = []
        while not sizes or sizes[-1] == 100:
            before = reader.waiting()
            reader.read()
            sizes.append(reader.waiting() - before)
        assert sizes == [100, 100, 50], sizes
        assert reader.take(250) == [str(number) for number in range(250)]


@case()
def an_application_subscribes_a_channel_since_a_position(ctx):
    answer = ctx.main.ask("PUB", "rooms/since", payload="first")
    position = answer.options["pos"]
    publish(ctx, "rooms/since", "second", "third")
    client, event = opened_ws(ctx, "since")
    ctx.main.sub(event.chan, "rooms/since", since=position)
    ctx.main.pub("rooms/since", "fourth")
    assert [client.read_text() for _ in range(3)] == ["second", "third", "fourth"]


if __name__ == "__main__":
    run(lambda: Deployment(routes=ROUTES))
