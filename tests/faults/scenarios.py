"""The fault scenarios: one row each, with what is done and what must hold.

Clients open channels, send numbered messages and leave, on two gateways; workers answer each with
a numbered message.  While that goes on, `act` does its harm.  Then the logs of all clients and
workers are judged.
"""

import dataclasses
import time
import typing

import hostile
from stage import Stage
from support.waiting import wait_until
from topics import TopicStage

ANONYMOUS = ({}, {}, {}, {})
NAMED = tuple({"name": f"worker{n}"} for n in (1, 2, 3, 4))
LEAST_EVENTS = 5000  # handled by workers; on a slow machine the clients take longer for them
LEAST_READ = 2000  # messages by the readers of topics
NO_CHECK = tuple({"no_check": True} for _ in range(4))


@dataclasses.dataclass
class Scenario:
    """One row.

      name      one word, for the command line and the table
      what      what is done to which part
      promise   what is particular to the outcome, beyond what holds for all
      act       does it; called with the stage while traffic is under way
      seconds   how long the clients send
      workers   options of each worker, see `ringway-verify worker --help`
      clients   options of the clients
      broker, edge  settings of the daemons
      limits    {part: descriptors} (RLIMIT_NOFILE)
      clocks    parts whose wall clock is to be shifted
      edge_names  of the two gateways, on the bus
      before    called with the stage before the clients begin
      lost      gateways whose events may die with them
      patience  seconds until every channel is to be closed, once the clients are done
      judge     more options of the judge
      expect    the verdict: "holds", or "exception" for the one that is named
      is_brief  also in the short form
    """

    name: str
    what: str
    promise: str
    act: typing.Callable
    seconds: int = 15
    workers: tuple = ANONYMOUS
    clients: dict = dataclasses.field(default_factory=dict)
    broker: dict = dataclasses.field(default_factory=dict)
    edge: dict = dataclasses.field(default_factory=dict)
    limits: dict = dataclasses.field(default_factory=dict)
    clocks: tuple = ()
    edge_names: tuple = ("edge1", "edge2")
    before: typing.Callable = None
    lost: tuple = ()
    patience: float = 25.0
    judge: tuple = ()
    expect: str = "holds"
    is_brief: bool = False
    stage: typing.ClassVar = Stage
    of_topics: typing.ClassVar = False

    def complaint(self, verdict):
        """What is wrong with a verdict, or None."""
        if verdict["verdict"] != self.expect:
            return f"the judge says {verdict['verdict']}, not {self.expect}"
        if verdict["counts"]["events"] < LEAST_EVENTS:
            return f"only {verdict['counts']['events']} events of {LEAST_EVENTS}"
        return None


@dataclasses.dataclass
class TopicScenario(Scenario):
    """One row of topics, see topics.py.

      seconds   how long they go on after what is done
      stored    the broker keeps its history on disk
    """

    seconds: int = 6
    workers: tuple = ()
    stored: bool = False
    stage: typing.ClassVar = TopicStage
    of_topics: typing.ClassVar = True

    def complaint(self, verdict):
        if verdict["wrong"]:
            return "\n".join(verdict["wrong"][:20])
        read = verdict["topics"]["read"]
        return f"only {read} messages read of {LEAST_READ}" if read < LEAST_READ else None


def wait(seconds):
    """The length of a fault is part of the scenario, nothing is waited for."""
    time.sleep(seconds)


# ---- What is done ----------------------------------------------------------------------------


def kill_worker(stage):
    stage.workers[0].kill()


def kill_all_workers(stage):
    for worker in stage.workers:
        worker.kill()
    wait(3)
    stage.workers[0].launch()


def hang(part, seconds):
    """A part stands still, and comes back."""

    def act(stage):
        victim = stage.part(part)
        victim.hang()
        wait(seconds)
        victim.wake()

    return act


def kill_edge(stage):
    stage.edges[0].kill()


def restart_edge(stage):
    stage.edges[0].kill()
    wait(0.5)
    stage.edges[0].start()


def cut(left, right, seconds, sender=None):
    """Silence between two nodes, or from one to the other."""

    def act(stage):
        link = stage.net.link(left, right)
        stage.note(f"{left}-{right}: cut" + (f", what {sender} sends" if sender else ""))
        before = link.lost()
        link.cut(sender)
        wait(seconds)
        assert link.lost() > before, "nothing was sent over the link that is cut"
        link.heal()
        stage.note(f"{left}-{right}: healed")

    return act


def cut_workers(stage):
    links = [stage.net.link("broker", node) for node in ("work1", "work2")]
    stage.note("all workers: cut off")
    for link in links:
        link.cut()
    wait(12)
    for link in links:
        link.heal()
    stage.note("all workers: healed")


def reset(node, port):
    """Its TCP connections to the broker are reset, three times."""

    def act(stage):
        for _ in range(3):
            killed = stage.net.reset(node, f"dport = :{port}")
            stage.note(f"{node}: {killed} connections reset")
            wait(2)

    return act


def restart_broker(down):
    def act(stage):
        stage.broker.kill()
        wait(down)
        stage.broker.start()

    return act


def kill_broker_and_worker(stage):
    stage.broker.kill()
    stage.workers[0].kill()
    wait(1)
    stage.broker.start()


def kill_broker_and_edge(stage):
    stage.broker.kill()
    stage.edges[0].kill()
    wait(1)
    stage.broker.start()


def many_faults(stage):
    stage.net.reset("edge1", "dport = :7701")
    stage.note("edge1: reset")
    wait(2)
    stage.workers[0].kill()
    wait(2)
    stage.broker.kill()
    wait(1)
    stage.broker.start()
    wait(3)
    stage.net.reset("work2", "dport = :7702")
    stage.note("work2: reset")


def kill_worker_and_edge(stage):
    stage.workers[0].kill()
    stage.edges[0].kill()


def hang_broker_and_kill_worker(stage):
    stage.broker.hang()
    stage.workers[0].kill()
    wait(4)
    stage.broker.wake()


def cut_edge_and_kill_broker(stage):
    link = stage.net.link("broker", "edge1")
    link.cut()
    stage.note("broker-edge1: cut")
    stage.broker.kill()
    wait(1)
    stage.broker.start()
    wait(2)
    link.heal()
    stage.note("broker-edge1: healed")


def shape(**how):
    """The links of the bus become bad ones, and stay so."""

    def act(stage):
        for node in ("edge1", "edge2", "work1", "work2"):
            stage.net.link("broker", node).shape(**how)
        stage.note(f"all links of the broker: {how}")
        wait(8)
        took = stage.net.connect_seconds("edge1", stage.broker_addresses("edge1")[0])
        stage.note(f"edge1 connects to the broker in {took * 1000:.0f} ms")
        assert took >= 2 * how.get("delay", 0), "the delay is not there"
        lost = stage.net.link("broker", "edge1").lost()
        assert lost > 0 or not how.get("loss"), "nothing is lost"

    return act


def crowd_edge(stage):
    """The clients themselves are too many."""
    wait(4)
    held = stage.edges[0].daemon.open_files()
    assert held >= 200, f"the gateway had {held} descriptors, its limit was never reached"
    stage.note(f"edge1 has {held} descriptors")


def shift_clock(part, by):
    """The wall clock of one process jumps; nothing else on its machine does."""

    def act(stage):
        stage.shift_clock(part, by)
        wait(4)
        stage.shift_clock(part, f"-{by.lstrip('+')}")
        wait(4)

    return act


def crowd_broker(stage):
    """More connections that say nothing than the broker has descriptors, on both of its ports."""
    stage.note("300 idle connections come to the broker")
    with stage.net.inside("edge1"):
        addresses = stage.broker_addresses("edge1")
        held = hostile.crowd(addresses, 300, 10, stage.broker.daemon.open_files)
    assert held >= 250, f"the broker had {held} descriptors, its limit was never reached"
    stage.note(f"they are gone; the broker had {held} descriptors")


def slow_clients(stage):
    """Ten clients of edge1 that read nothing while 8 MiB are sent to each."""
    slow = hostile.SlowClients()
    endpoint = f"tcp://{stage.net.address('broker', 'work2')}:7702"
    with stage.net.inside("work2"):
        slow.start_worker(endpoint, "slow", 128)
    before = stage.edges[0].daemon.rss_bytes()
    with stage.net.inside("clients"):
        slow.connect((stage.net.address("edge1", "clients"), 8080), "/slow", 10)
    causes = slow.wait_closed(30)
    assert set(causes) == {"slow"}, f"slow clients were closed with {causes}"
    grown = stage.edges[0].daemon.rss_bytes() - before
    stage.note(f"slow clients closed; edge1 holds {grown >> 20} MiB more")
    slow.stop()


def garbage(stage):
    """On the ports of the broker and of a gateway."""
    with stage.net.inside("edge1"):
        thrown = hostile.throw_garbage(stage.broker_addresses("edge1"), 6, 1)
    stage.note(f"garbage thrown at the broker {thrown} times")
    with stage.net.inside("clients"):
        thrown = hostile.throw_garbage([(stage.net.address("edge1", "clients"), 8080)], 3, 2)
    stage.note(f"garbage thrown at edge1 {thrown} times")


def hang_under_clients(part, seconds):
    """A gateway stands still; its clients give up on it and go to the other one."""

    def act(stage):
        victim = stage.part(part)
        victim.hang()
        wait(1)
        stage.avoided.add(part)
        stage.company.drop_all()
        wait(seconds - 1)
        victim.wake()
        stage.avoided.discard(part)

    return act


def kill_edge_for_good(stage):
    """Its clients go to the other one."""
    stage.edges[0].kill()
    stage.avoided.add("edge1")


def kill_edge_then_other(stage):
    """One gateway, then the other, each started again: every client comes back to each."""
    for edge in stage.edges:
        edge.kill()
        wait(2)
        edge.start()
        wait_until(edge.is_joined, 30, f"{edge.name} joined")
        wait(1)


def restart_broker_under_clients(down):
    """The broker is killed, and all clients come back, each to another gateway."""

    def act(stage):
        stage.broker.kill()
        wait(down / 2)
        stage.company.drop_all()
        wait(down / 2)
        stage.broker.start()

    return act


def kill_broker_and_edge_for_good(stage):
    stage.broker.kill()
    kill_edge_for_good(stage)
    wait(1)
    stage.broker.start()


def kill_broker_then_edge(stage):
    """The edge dies while the broker learns from it what was."""
    restart_broker(1)(stage)
    wait(0.3)
    kill_edge_for_good(stage)


def nothing(_stage):
    """The fault is there from the start."""


# ---- The table -------------------------------------------------------------------------------

SCENARIOS = [
    Scenario("worker-kill", "one worker of four: kill -9",
             "its channels go on with others", kill_worker, is_brief=True),
    Scenario("workers-kill", "all workers: kill -9; one returns after 3 s",
             "events wait in the gateways meanwhile", kill_all_workers),
    Scenario("worker-hang", "one worker: SIGSTOP for 8 s, past its lease",
             "what it does when it wakes counts no more", hang("worker1", 8), is_brief=True),
    Scenario("edge-kill", "a gateway: kill -9",
             "its channels are closed for it within the lease", kill_edge, lost=("edge1",),
             is_brief=True),
    Scenario("edge-restart", "a gateway: kill -9, and started again with the same name",
             "the old channels are closed at once", restart_edge, lost=("edge1",)),
    Scenario("edge-hang", "a gateway: SIGSTOP for 9 s, past its lease",
             "declared dead, it is fenced when it wakes, and drops its clients",
             hang("edge1", 9), lost=("edge1",), seconds=20),
    Scenario("edge-cut-12s", "a gateway cut off from the broker for 12 s, past its lease",
             "declared dead, it is fenced when it returns, and drops its clients",
             cut("broker", "edge1", 12), lost=("edge1",), seconds=22),
    Scenario("edge-cut-3s", "a gateway cut off from the broker for 3 s",
             "nobody notices", cut("broker", "edge1", 3)),
    Scenario("edge-reset", "the TCP connections of a gateway to the broker: reset three times",
             "it resumes; nothing is repeated to workers", reset("edge1", 7701), is_brief=True),
    Scenario("broker-1s-named", "the broker: kill -9, back after 1 s; workers have names",
             "clients stay connected", restart_broker(1), workers=NAMED, is_brief=True),
    Scenario("broker-6s-named", "the broker: kill -9, back after 6 s; workers have names",
             "clients stay connected", restart_broker(6), workers=NAMED, seconds=18),
    Scenario("broker-1s", "the broker: kill -9, back after 1 s; workers without names",
             "clients stay connected", restart_broker(1)),
    Scenario("broker-6s", "the broker: kill -9, back after 6 s; workers without names",
             "clients stay connected", restart_broker(6), seconds=18),
    Scenario("broker-hang-3s", "the broker: SIGSTOP for 3 s",
             "nobody is judged for its pause", hang("broker", 3)),
    Scenario("broker-hang-8s", "the broker: SIGSTOP for 8 s",
             "nobody is judged for its pause", hang("broker", 8), seconds=18),
    Scenario("workers-cut", "all workers cut off from the broker for 12 s",
             "events wait in the gateways meanwhile", cut_workers, seconds=22),
    Scenario("worker-reset", "the TCP connections of two workers: reset three times",
             "", reset("work1", 7702)),
    Scenario("broker-worker-kill", "the broker and a worker: kill -9 together",
             "", kill_broker_and_worker, is_brief=True),
    Scenario("broker-edge-kill-raw",
             "the broker and a gateway: kill -9 together; workers do not CHECK",
             "the exception: nobody tells these workers that the channels ended",
             kill_broker_and_edge, workers=NO_CHECK, lost=("edge1",), expect="exception",
             patience=8, is_brief=True),
    Scenario("broker-edge-kill", "the broker and a gateway: kill -9 together; workers CHECK",
             "the bindings ask, and are told", kill_broker_and_edge, lost=("edge1",),
             is_brief=True),
    Scenario("many-faults", "a gateway reset, a worker killed, the broker killed, workers reset",
             "", many_faults, seconds=18),

    # Standing still, and two at once.
    Scenario("clients-hang", "all clients: SIGSTOP for 8 s",
             "", hang("clients", 8), seconds=22, clients={"churn": 0}),
    Scenario("worker-edge-kill", "a worker and a gateway: kill -9 together",
             "", kill_worker_and_edge, lost=("edge1",), is_brief=True),
    Scenario("broker-hang-worker-kill", "the broker: SIGSTOP for 4 s; a worker: kill -9 meanwhile",
             "", hang_broker_and_kill_worker),
    Scenario("edge-cut-broker-kill", "a gateway cut off for 3 s; the broker: kill -9 meanwhile",
             "", cut_edge_and_kill_broker),

    # One way only, past every lease.
    Scenario("edge-mute", "for 12 s nothing of what a gateway sends reaches the broker",
             "declared dead, it is fenced when it returns, and drops its clients",
             cut("broker", "edge1", 12, "edge1"), lost=("edge1",), seconds=22, is_brief=True),
    Scenario("edge-deaf", "for 12 s nothing of what the broker sends reaches a gateway",
             "declared dead, it is fenced when it returns, and drops its clients",
             cut("broker", "edge1", 12, "broker"), lost=("edge1",), seconds=22),
    Scenario("worker-mute", "for 12 s nothing of what two workers send reaches the broker",
             "", cut("broker", "work1", 12, "work1"), seconds=22),
    Scenario("worker-deaf", "for 12 s nothing of what the broker sends reaches two workers",
             "", cut("broker", "work1", 12, "broker"), seconds=22),

    # Bad links.
    Scenario("delay", "every link of the broker takes 200 ms in each direction",
             "", shape(delay=0.2)),
    Scenario("loss", "every link of the broker loses 5 % of all frames",
             "", shape(loss=0.05), is_brief=True),
    Scenario("rate", "every link of the broker carries 1 Mbit/s in each direction",
             "", shape(rate=125000)),
    Scenario("bad-links", "200 ms, 5 % loss and 1 Mbit/s together",
             "clients feel back-pressure", shape(delay=0.2, loss=0.05, rate=125000), seconds=20),

    # Slow ones.
    Scenario("never-acks", "one worker of four handles everything and acknowledges nothing",
             "after `ack-timeout` (here 5 s) its channels go to others",
             nothing, workers=({"never_ack": True}, {}, {}, {}), broker={"ack_timeout": "5s"},
             seconds=20),

    Scenario("slow-clients", "ten clients of a gateway read nothing while 8 MiB are sent to each",
             "they are closed as slow; the others notice nothing", slow_clients),

    # Few descriptors.
    Scenario("edge-few-files", "a gateway may have 256 descriptors",
             "it refuses connections above that; those that it took are served",
             crowd_edge, limits={"edge1": 256}, clients={"channels": 600}),
    Scenario("broker-few-files",
             "the broker may have 256 descriptors, and 300 idle connections come",
             "", crowd_broker, limits={"broker": 256}),

    # Another time of day.
    Scenario("edge-clock", "the wall clock of a gateway is an hour ahead, then an hour behind",
             "nobody notices", shift_clock("edge1", "+1h"), clocks=("edge1",)),
    Scenario("broker-clock", "the wall clock of the broker is an hour ahead, then an hour behind",
             "nobody notices", shift_clock("broker", "+1h"), clocks=("broker",)),
    Scenario("worker-clock", "the wall clock of a worker is an hour ahead, then an hour behind",
             "nobody notices", shift_clock("worker1", "+1h"), clocks=("worker1",)),

    # Wrong ones.
    Scenario("same-name",
             "two gateways with one name; the connections of one are reset three times",
             "two lives of one name do not touch each other", reset("edge1", 7701),
             edge_names=("edge1", "edge1")),
    Scenario("garbage", "random bytes and broken greetings on the ports of broker and gateway",
             "they are counted and dropped", garbage),

    # Topics.
    TopicScenario("topics-edge-kill", "a gateway: kill -9; its clients come to the other one",
                   "they go on from their cursors", kill_edge_for_good, is_brief=True),
    TopicScenario("topics-edges-kill",
                   "a gateway: kill -9, and started again; then the other one",
                   "", kill_edge_then_other),
    TopicScenario("topics-broker", "the broker: kill -9, back after 2 s; meanwhile all clients "
                   "go to another gateway", "history was in memory: a gap, reason `restart`",
                   restart_broker_under_clients(2), is_brief=True),
    TopicScenario("topics-broker-stored", "the same, and the broker has a store", "",
                   restart_broker_under_clients(2), stored=True),
    TopicScenario("topics-broker-hang", "the broker: SIGSTOP for 4 s", "",
                   hang("broker", 4)),
    TopicScenario("topics-edge-mute",
                   "for 8 s nothing of what a gateway sends reaches the broker",
                   "its clients are dropped, and come back to either",
                   cut("broker", "edge1", 8, "edge1"), seconds=10),
    TopicScenario("topics-edge-deaf",
                   "for 8 s nothing of what the broker sends reaches a gateway",
                   "its clients are dropped, and come back to either",
                   cut("broker", "edge1", 8, "broker"), seconds=10),
    TopicScenario("topics-edge-cut", "a gateway cut off from the broker for 3 s", "",
                   cut("broker", "edge1", 3)),
    TopicScenario("topics-edge-hang",
                   "a gateway: SIGSTOP for 8 s; its clients go to the other one, and may come back "
                   "when it wakes", "", hang_under_clients("edge1", 8)),
    TopicScenario("topics-edge-reset",
                   "the TCP connections of a gateway to the broker: reset three times",
                   "", reset("edge1", 7701)),
    TopicScenario("topics-broker-edge-kill",
                   "the broker and a gateway: kill -9 together; the gateway stays away", "",
                   kill_broker_and_edge_for_good, seconds=16),
    TopicScenario("topics-broker-then-edge",
                   "the broker: kill -9, back after 1 s; a gateway: kill -9 right after that", "",
                   kill_broker_then_edge, seconds=16),
]
