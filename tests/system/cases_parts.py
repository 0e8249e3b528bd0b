"""The parts of a deployment: settings, starts, stops, losses and the operations port."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import Skip, case, run
from support.harness import Deployment, Folder, Gateway, flags, run_program, write_config
from support.talk import hold, opened_ws, sentinel
from support.waiting import scaled, stays_true, wait_until
from support.worker import Worker
from support.ws_client import WsClient

TEXT = [("Content-Type", "text/plain")]


@case()
def a_wrong_setting_ends_with_2_and_one_line():
    for program, arguments, word in (
        ("ringway-gateway", ["--head-timeout", "soon"], "head-timeout"),
        ("ringway-gateway", ["--out-queue", "-5"], "out-queue"),
        ("ringway-gateway", ["--listen", "nowhere"], "listen"),
        ("ringway-gateway", ["--no-such-setting", "1"], "no-such-setting"),
        ("ringway-broker", ["--worker-lease", "fast"], "worker-lease"),
        ("ringway-broker", ["--bus-edges", "not an endpoint"], "bus-edges"),
        ("ringway-broker", ["--cores", "two"], "cores"),
        ("ringway", ["--head-timeout", "soon"], "head-timeout"),
    ):
        status, out, err, _ = run_program(program, *arguments)
        assert status == 2, (program, arguments, status, err)
        assert len(err.strip().splitlines()) == 1 and word in err, (program, arguments, err)
        assert "ready" not in out


@case()
def settings_come_from_flag_before_environment_before_file():
    own = Deployment()
    try:
        config = own.folder.path / "x.conf"
        config.write_text("head-timeout = 11s\nbody-timeout = 11s\nkeep-alive = 11s\n")
        env = {"RINGWAY_BODY_TIMEOUT": "12s", "RINGWAY_KEEP_ALIVE": "12s"}
        status, out, err, _ = run_program(
            "ringway-gateway", "--config", config, "--keep-alive", "13s", "--print-config", env=env)
        assert status == 0, err
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        values = {key.strip(): value.strip().strip('"') for key, value in values.items()}
        assert values["head-timeout"] in ("11s", "11000ms"), out
        assert values["body-timeout"] in ("12s", "12000ms"), out
        assert values["keep-alive"] in ("13s", "13000ms"), out
        config.write_text("head-timeout = wrong\n")
        status, out, err, _ = run_program("ringway-gateway", "--config", config, "--check-config")
        assert status == 2 and "head-timeout" in err, (status, err)
    finally:
        own.abandon()


@case()
def a_wrong_route_ends_with_2_and_names_it():
    own = Deployment(routes=[("bad", {"path": "no-slash", "service": "x"})])
    try:
        for options in ({"path": "no-slash", "service": "x"}, {"path": "/x"},
                        {"path": "/x", "service": "a", "topic": "b"},
                        {"path": "/x", "service": "a", "accept": "maybe"},
                        {"path": "/x/{a}/{a", "service": "a"},
                        {"path": "/x", "service": "a", "nonsense": "1"}):
            config = own.folder.path / "bad.conf"
            write_config(config, {}, [("bad", options)])
            status, _, err, _ = run_program("ringway-gateway", "--config", config,
                                            "--check-config")
            assert status == 2, (options, status, err)
            assert len(err.strip().splitlines()) == 1 and "bad" in err, (options, err)
    finally:
        own.abandon()


@case()
def a_port_in_use_is_said_and_ends_the_program(ctx):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        for program, arguments in (
            ("ringway-gateway", ["--listen", address, "--ops-listen", "127.0.0.1:0"]),
            ("ringway-gateway", ["--listen", "127.0.0.1:0", "--ops-listen", address]),
            ("ringway-broker", ["--bus-edges", f"tcp://{address}", "--ops-listen", "127.0.0.1:0",
                                "--bus-apps", "tcp://127.0.0.1:0", "--bus-tap",
                                "tcp://127.0.0.1:0", "--bus-pull", "tcp://127.0.0.1:0",
                                "--bus-sub", "tcp://127.0.0.1:0"]),
        ):
            status, out, err, _ = run_program(program, *arguments)
            assert status not in (0, None) and status > 0, (program, status)
            assert address.split(":")[1] in err, (program, arguments, err)
            assert not out.startswith("ready")


@case("X30")
def the_listener_has_a_long_backlog(ctx):
    try:
        text = subprocess.run(["ss", "-ltnH", f"sport = :{ctx.address[1]}"], check=True,
                              capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Skip("this machine has no ss") from None
    sizes = [int(line.split()[2]) for line in text.splitlines()]
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        most = int(file.read())
    assert sizes and min(sizes) >= min(1024, most), text


@case()
def a_gateway_that_starts_before_its_broker_waits_for_it():
    own = Deployment(ipc=True)
    try:
        edge = own.start_edge()
        status, text = edge.get_ops("/readyz")
        assert status == 503 and text.strip(), (status, text)
        assert edge.get_ops("/healthz")[0] == 200
        own.start_broker()
        own.wait_joined()
        own.main = own.worker()
        sentinel(own)
        own.stop()
    finally:
        own.abandon()


@case(seconds=90)
def channels_outlive_a_restart_of_the_broker():
    with Deployment(ipc=True) as own:
        own.main = own.worker("default", name="w1")
        client, event = opened_ws(own, "restart")
        held, request = hold(own, "restart")
        own.broker.kill()
        wait_until(lambda: not own.edge.is_ready(), 15, "/readyz to say no")
        client.text("while it is away")
        own.start_broker()
        own.wait_joined(20)
        record = own.main.wait_for("TEXT", event.chan, timeout=15)
        assert record.payload == b"while it is away"

        def send():
            answer = own.main.ask_send(event.chan, "back", timeout=2)
            return answer.verb == "OK"

        wait_until(send, 15, "a send to be taken")
        assert client.read_text() == "back"
        own.main.respond(request.chan, 200, TEXT, b"survived")
        response = held.read_response()
        assert response.body == b"survived", (response, own.edge.log()[-1500:])
        client.close_cleanly()
        assert own.main.wait_close(event.chan, 10).status == 1000
        assert len(own.main.find("CLOSE", event.chan)) == 1


@case("X12")
def an_edge_that_stops_ends_its_websockets_with_1001():
    with Deployment() as own:
        own.main = own.worker()
        client, event = opened_ws(own, "X12")
        edge = own.edges[0]
        edge.signal(signal.SIGTERM)
        frame = client.read_close()
        assert frame.code == 1001, frame
        client.send_close(1001)
        client.expect_end()
        edge.end_well(10)
        own.edges.remove(edge)
        closed = own.main.wait_close(event.chan)
        assert closed.status == 0 and closed.cause == "drain", closed
        assert closed.options.get("code") == "1001", closed


@case(seconds=90)
def a_killed_edge_closes_its_channels_once():
    with Deployment(edges=2) as own:
        own.main = own.worker()
        _, socket_event = opened_ws(own, "lost")
        _, held_event = hold(own, "lost")
        survivor, other_event = opened_ws(own, "lost", edge=1)
        own.edges[0].kill()
        own.edges.pop(0)
        closed = own.main.wait_close(socket_event.chan, 15)
        assert closed.status == 1006 and closed.cause == "edge-lost", closed
        closed = own.main.wait_close(held_event.chan, 15)
        assert closed.status == -1 and closed.cause == "edge-lost", closed
        answer = own.main.ask_send(socket_event.chan, "anyone?")
        assert answer.verb == "ERR" and answer.code in ("gone", "edge-lost"), answer
        own.main.send(other_event.chan, "you live")
        assert survivor.read_text() == "you live"
        assert len(own.main.find("CLOSE", socket_event.chan)) == 1


@case()
def both_in_one_program_serve_the_same(ctx):
    folder = Folder()
    settings = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0", "drain_grace": "1s"}
    for name in ("edges", "apps", "tap", "pull", "sub"):
        settings["bus_" + name] = f"ipc://{folder.path}/{name}"
    daemon = Gateway("ringway", flags(settings), folder.path)
    worker = None
    try:
        daemon.start().wait_ready()
        wait_until(daemon.is_ready, 10, "/readyz of ringway")
        worker = Worker(f"ipc://{folder.path}/apps").start()
        with WsClient.connect(daemon.address, "/embedded") as client:
            event = worker.wait_open("/embedded")
            worker.send(event.chan, "one program")
            assert client.read_text() == "one program"
            client.close_cleanly()
        worker.wait_close(event.chan)
        daemon.stop()
    finally:
        if worker:
            worker.stop()
        daemon.kill()
        folder.remove()


@case()
def with_a_short_lease_the_channels_of_a_dead_gateway_are_closed_within_a_second():
    with Deployment(broker={"edge_lease": "500ms"}, settings={"heartbeat": "100ms"}) as own:
        own.main = own.worker()
        _, event = opened_ws(own, "lease")
        stays_true(lambda: not own.main.find("CLOSE", event.chan), 1.5, "a heartbeat in time")
        own.edge.kill()
        own.edges = []
        killed = time.monotonic()
        own.main.wait_close(event.chan)
        assert time.monotonic() - killed < scaled(2), "the default lease is 5 s"


def cores_of_threads(daemon):
    """Where each thread may run, the first one first."""
    tasks = sorted(pathlib.Path(f"/proc/{daemon.pid}/task").iterdir(), key=lambda path: int(path.name))
    return [os.sched_getaffinity(int(path.name)) for path in tasks]


@case(shared=False)
def the_broker_stays_on_one_core_and_what_it_writes_and_shows_does_not():
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2:
        raise Skip("this machine has one core only")
    for wish, share in (("auto", True), ("one", True), ("any", False)):
        with Deployment(broker={"cores": wish, "data": "data"}) as own:
            own.worker()
            wait_until(lambda: own.broker.get_ops("/readyz")[0] == 200)
            cores = cores_of_threads(own.broker)
            bound = [one for one in cores if one != everywhere]
            assert len(cores) >= 5, cores  # ours, of ZeroMQ two, for the disk, for /metrics
            assert len(bound) == (3 if share else 0), (wish, cores)
            assert all(len(one) == 1 and one == cores[0] for one in bound), (wish, cores)


@case()
def the_operations_port_has_metrics_and_health(ctx):
    for daemon in (ctx.broker, ctx.edge):
        assert daemon.get_ops("/healthz")[0] == 200
        assert daemon.get_ops("/readyz")[0] == 200
        status, text = daemon.get_ops("/metrics")
        assert status == 200 and "# TYPE " in text and "ringway_" in text
        assert daemon.get_ops("/nothing")[0] == 404
    wait_until(lambda: ctx.broker.metric("ringway_broker_workers") >= 1)
    client, event = opened_ws(ctx, "metrics")
    wait_until(lambda: ctx.edge.metric("ringway_channels_live", carrier="ws") >= 1)
    before = ctx.edge.metric("ringway_channels_closed_total", carrier="ws", cause="client")
    client.close_cleanly()
    ctx.main.wait_close(event.chan)
    wait_until(lambda: ctx.edge.metric("ringway_channels_closed_total", carrier="ws",
                                       cause="client") == before + 1)


if __name__ == "__main__":
    run()
