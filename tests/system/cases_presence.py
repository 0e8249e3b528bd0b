"""Who is in a topic, and who is told of it; after the death of each part."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment
from support.session_client import SessionClient
from support.waiting import wait_until

ROUTES = [
    ("rooms", {"path": "/rooms/{x}", "topic": "rooms/{x}", "presence": "on"}),
    ("named", {"path": "/named/{user}", "topic": "named", "presence": "on", "label": "u-{user}"}),
    ("known", {"path": "/known", "topic": "known", "presence": "on", "label-header": "X-User"}),
    ("session", {"path": "/s/**", "service": "default", "session": "on"}),
    ("rest", {"path": "/**", "service": "default"}),
]
ALIVE = {"edge_lease": "3s", "session_grace": "8s"}


def deployment(edges=1, **more):
    """Short leases, so that a death is seen soon."""
    return Deployment(edges=edges, routes=ROUTES, broker=ALIVE, ipc=True, **more)


def present(sender, topic):
    """{id: label} as GET presence shows it."""
    answer = sender.ask("GET", "presence", topic)
    return {one["id"]: one["label"] for one in json.loads(answer.payload)["present"]}


def watch(sender, topic):
    """Watches; the ids of the snapshot."""
    mark = sender.mark()
    sender.record("WATCH", topic)
    shown = sender.wait_for("PRESENT", topic, timeout=15, after=mark)
    return {one["id"] for one in json.loads(shown.payload)["present"]}


@case()
def clients_of_a_route_come_and_go(ctx):
    sender = ctx.sender()
    assert watch(sender, "rooms/1") == set()
    mark = sender.mark()
    client = ctx.ws("/rooms/1")
    came = sender.wait_for("ENTER", "rooms/1", after=mark)
    assert set(present(sender, "rooms/1")) == {came.tag}
    client.close_cleanly()
    gone = sender.wait_for("EXIT", "rooms/1", after=mark)
    assert gone.tag == came.tag and present(sender, "rooms/1") == {}


@case()
def a_route_says_who_its_clients_are(ctx):
    sender = ctx.sender()
    ctx.ws("/named/amy%25")
    ctx.ws("/known", headers=[("X-User", "b\u00f6b c".encode("latin-1").decode("latin-1"))])
    ctx.ws("/known")
    wait_until(lambda: list(present(sender, "named").values()) == ["u-amy%25"], 10)
    wait_until(lambda: len(present(sender, "known")) == 2, 10)
    assert set(present(sender, "known").values()) == {"b%F6b%20c", None}
    with ctx.http() as client:
        client.request("GET", "/named/" + "x" * 127)
        answer = client.read_response()
        assert answer.status == 400 and b"label" in answer.body, answer


@case(shared=False)
def a_worker_says_who_is_there_and_its_death_changes_nothing():
    with deployment() as own:
        worker, sender = own.worker("default"), own.sender()
        client = own.ws("/chat")
        channel = worker.wait_open("/chat").chan
        assert sender.ask("LABEL", channel, "amy").verb == "OK"
        assert sender.ask("SUB", channel, "lobby", presence=1).verb == "OK"
        wait_until(lambda: present(sender, "lobby") == {channel: "amy"}, 10)
        own.worker("default")
        worker.retire()
        assert sender.ask("LABEL", channel, "bob").verb == "OK"
        wait_until(lambda: present(sender, "lobby") == {channel: "bob"}, 10)
        assert sender.ask("UNSUB", channel, "lobby").verb == "OK"
        wait_until(lambda: present(sender, "lobby") == {}, 10)
        client.close()


@case(shared=False)
def the_clients_of_a_dead_gateway_are_gone():
    with deployment(edges=2) as own:
        sender = own.sender()
        own.ws("/rooms/1", edge=0)
        stays = own.ws("/rooms/1", edge=1)
        wait_until(lambda: len(present(sender, "rooms/1")) == 2, 10)
        ids = watch(sender, "rooms/1")
        mark = sender.mark()
        own.edges[0].kill()
        gone = sender.wait_for("EXIT", "rooms/1", timeout=15, after=mark)
        assert gone.tag in ids and set(present(sender, "rooms/1")) == ids - {gone.tag}
        stays.close()


@case(shared=False)
def a_new_broker_knows_who_is_there_and_who_left_meanwhile():
    with deployment() as own:
        sender = own.sender()
        stays, leaves = own.ws("/rooms/1"), own.ws("/rooms/1")
        wait_until(lambda: len(present(sender, "rooms/1")) == 2, 10)
        before = watch(sender, "rooms/1")
        own.broker.kill()
        leaves.close()
        own.start_broker()
        shown = watch(own.sender(), "rooms/1")
        assert len(shown) == 1 and shown < before, (before, shown)
        stays.close()


@case(shared=False)
def a_session_stays_present_over_carriers_a_dead_gateway_and_a_dead_broker():
    with deployment(edges=2) as own:
        worker, sender = own.worker("default"), own.sender()
        client = SessionClient(own, "/s/1")
        socket = client.websocket()
        session = worker.wait_open("/s/1").chan
        assert watch(sender, "lobby") == set()
        assert worker.ask("LABEL", session, "amy").verb == "OK"
        mark = sender.mark()
        assert worker.ask("SUB", session, "lobby", presence=1).verb == "OK"
        assert sender.wait_for("ENTER", "lobby", after=mark).tag == session
        mark = sender.mark()
        socket.close()
        client.poll()  # by the other gateway
        own.edges[1].kill()
        client.poll()  # by the first one
        assert present(sender, "lobby") == {session: "amy"}
        own.broker.kill()
        own.start_broker()
        other = own.sender()
        assert watch(other, "lobby") == {session}
        assert present(other, "lobby") == {session: "amy"}
        assert not sender.find("EXIT", "lobby", after=mark), "it never left"
        mark = other.mark()
        assert other.wait_for("EXIT", "lobby", timeout=20, after=mark).tag == session
        assert present(other, "lobby") == {}


if __name__ == "__main__":
    run(deployment)
