"""Publishing by HTTP on the operations port."""

import http.client
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.case import case, run
from support.harness import Deployment, Folder, run_program
from support.waiting import scaled, wait_until

TOKEN = "a-token-of-the-test-0123456789"
ROUTES = [("news", {"path": "/news/{x}", "topic": "news/{x}"})]
BEARER = {"Authorization": f"Bearer {TOKEN}"}

folder = Folder()
token_file = folder.path / "token"
token_file.write_text(TOKEN + "\n")
token_file.chmod(0o600)


def post(gateway, path, body=b"", headers=BEARER, method="POST"):
    """(status, text) of a request on the operations port."""
    connection = http.client.HTTPConnection(*gateway.ops, timeout=scaled(10))
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def refused(answer, status, *words):
    """It has this status, and one line that has all the words."""
    assert answer[0] == status, answer
    assert answer[1].count("\n") == 1 and answer[1].endswith("\n"), answer
    assert all(word in answer[1] for word in words), answer


@case()
def a_post_publishes_and_is_answered_with_the_position(ctx):
    client = ctx.ws("/news/1", protocols=["ringway.1"])
    json.loads(client.read_text())
    status, text = post(ctx.edge, "/topics/news/1", "hello")
    assert status == 200, (status, text)
    position = json.loads(text)["position"]
    got = json.loads(client.read_text())
    assert got["data"] == "hello" and got["cursor"] == position, (got, position)
    assert post(ctx.edge, "/topics/news%2F1?bin=1", b"\x00\xff")[0] == 200
    assert json.loads(client.read_text())["base64"] == "AP8="
    size = 1024 * 1024
    assert post(ctx.edge, "/topics/news/1", "x" * size)[0] == 200
    assert len(json.loads(client.read_text())["data"]) == size


@case()
def what_is_wrong_with_a_post_is_said_in_one_line(ctx):
    edge = ctx.edge
    refused(post(edge, "/topics/a", "x", {}), 401, "Authorization", "Bearer")
    refused(post(edge, "/topics/a", "x", {"Authorization": f"Bearer {TOKEN}x"}), 401, "token")
    refused(post(edge, "/topics/"), 404, "topic", "255")
    refused(post(edge, "/topics/a%20b"), 404, "topic")
    refused(post(edge, "/topics/" + "x" * 256), 404, "topic")
    refused(post(edge, "/topics/a/*"), 404, "topic")
    refused(post(edge, "/topics/a", method="GET"), 405, "POST")
    refused(post(edge, "/topics/a", "x" * (1024 * 1024 + 1)), 413, "1048576")
    chunks = iter([b"x" * 65536] * 17)
    refused(post(edge, "/topics/a", chunks), 413, "1048576")
    refused(post(edge, "/topics/a?colour=red"), 400, "colour")
    refused(post(edge, "/topics/a?bin=2"), 400, "bin: 0 or 1")
    assert post(edge, "/topics/a", "fine")[0] == 200


@case()
def the_query_has_the_options_of_a_publication(ctx):
    topic = "/topics/options/1"
    first = post(ctx.edge, f"{topic}?key=k1&ttl=60&collapse=c", "one")
    assert first[0] == 200 and post(ctx.edge, f"{topic}?key=k1", "one") == first
    assert post(ctx.edge, f"{topic}?hist=0", "live only")[0] == 200
    answer = ctx.main.ask("GET", "history", "options/1")
    held = [one["data"] for one in json.loads(answer.payload)["messages"]]
    assert held == ["one"], held
    refused(post(ctx.edge, f"{topic}?durable=1", "x"), 400, "unsupported")
    refused(post(ctx.edge, f"{topic}?ttl=0", "x"), 400, "ttl")


@case()
def several_posts_at_once_are_all_answered(ctx):
    connections = [http.client.HTTPConnection(*ctx.edge.ops, timeout=scaled(10)) for _ in range(20)]
    for number, connection in enumerate(connections):
        connection.request("POST", f"/topics/many/{number}", b"x", BEARER)
    positions = set()
    for connection in connections:
        positions.add(json.loads(connection.getresponse().read())["position"])
        connection.close()
    assert len(positions) == 20


@case(shared=False)
def without_a_token_file_nobody_publishes():
    with Deployment() as own:
        refused(post(own.edge, "/topics/a", "x"), 403, "publish-token-file")


@case(shared=False)
def without_a_broker_it_is_said_at_once():
    with Deployment(settings={"publish_token_file": str(token_file)}, ipc=True) as own:
        own.broker.kill()
        wait_until(lambda: not own.edge.is_ready(), 20)
        refused(post(own.edge, "/topics/a", "x"), 503, "no broker")
        own.start_broker()
        own.wait_joined()
        assert post(own.edge, "/topics/a", "x")[0] == 200


@case(shared=False)
def a_token_file_that_cannot_be_used_is_refused():
    with_short = folder.path / "short"
    with_short.write_text("short\n")
    with_short.chmod(0o600)
    readable = folder.path / "readable"
    readable.write_text(TOKEN)
    readable.chmod(0o644)
    for path, word in ((with_short, "16 to 256"), (readable, "o+r"), (folder.path / "no", "read")):
        done = run_program("ringway-gateway", "--check-config", f"--publish-token-file={path}")
        status, _, said, _ = done
        assert status == 2 and word in said and str(path) in said, done


if __name__ == "__main__":
    try:
        run(lambda: Deployment(routes=ROUTES, settings={"publish_token_file": str(token_file)}))
    finally:
        folder.remove()
