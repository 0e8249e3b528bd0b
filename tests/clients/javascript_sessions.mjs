// What a client of bindings/javascript-client says in a session, to a gateway that does what networks
// and proxies do.
import assert from "node:assert/strict";
import { destroy, each, follow, has, isOpen, listened, numbers, play, status } from "./rig.mjs";
import { until } from "./runner.mjs";

const join = (gateway, options) => follow({ url: gateway.sessionUrl }, options);
const tests = {};

each(tests, "what is said is taken once and in order, text and bytes", async (gateway, carrier) => {
  const seen = join(gateway, { carriers: [carrier] });
  const early = seen.client.send("early"); // before it is open
  await isOpen(seen);
  assert.equal(seen.client.session, gateway.token);
  const said = [new Uint8Array([0, 255]), "", "\u00fc \u{1f600}"];
  await Promise.all([early, ...said.map((data) => seen.client.send(data))]);
  assert.deepEqual(gateway.taken, ["early", ...said]);
});

each(tests, "what is said while connections break is taken once and in order", async (gateway, carrier) => {
  const seen = join(gateway, { carriers: [carrier] });
  await isOpen(seen);
  const promises = [];
  for (const text of numbers(60)) {
    promises.push(seen.client.send(text));
    if (text % 10 == 3) await new Promise((resolve) => setTimeout(resolve, 10));
    if (text % 10 == 5) gateway.cut(); // of some the answer is lost
    if (text % 20 == 7) await isOpen(seen);
  }
  gateway.publish("and the stream goes on");
  await Promise.all(promises);
  assert.deepEqual(gateway.taken, numbers(60));
  await has(seen, 1);
  assert.deepEqual(seen.data, ["and the stream goes on"]);
});

each(tests, "a session of an earlier client goes on, its numbers too", async (gateway, carrier) => {
  const first = join(gateway, { carriers: [carrier] });
  for (const text of numbers(3)) await first.client.send(text);
  const { session, cursor } = first.client;
  gateway.publish("missed");
  await gateway.stop(); // the first client is gone as a page that is closed is
  first.client.removeEventListener("message", () => {});
  gateway.faults = { ws: [], sse: [], poll: [], post: [] };
  await gateway.start();
  const again = join(gateway, { carriers: [carrier], session, cursor });
  await Promise.all(numbers(3, 4).map((text) => again.client.send(text)));
  assert.deepEqual(gateway.taken, numbers(6));
  await has(again, 1);
  assert.deepEqual(again.data, ["missed"]);
  await isOpen(again, carrier);
});

each(tests, "close() ends the session, and what was not taken is refused", async (gateway, carrier) => {
  const seen = join(gateway, { carriers: [carrier] });
  await seen.client.send("taken");
  gateway.faults.post.push(() => true, () => {}); // never answered; then the DELETE
  const late = seen.client.send("late");
  if (carrier != "ws") await until(() => gateway.requests.at(-1).carrier == "post" && !gateway.faults.post[1], "the POST");
  seen.client.close();
  await assert.rejects(late, /no session/);
  await assert.rejects(seen.client.send("later"), /no session/);
  await until(() => gateway.isEnded, "the end of the session");
});

each(tests, "a session that is not there any more is the end", async (gateway, carrier) => {
  const seen = join(gateway, { carriers: [carrier] });
  await isOpen(seen);
  gateway.isEnded = true;
  gateway.cut();
  await until(() => seen.closes.length, "the end");
  assert.deepEqual(seen.closes, [{ code: 4410, reason: "no such session" }]);
});

Object.assign(tests, {
  "what is taken while a WebSocket opens is not said again, and what follows is": async (gateway) => {
    const seen = join(gateway, { carriers: ["ws"] });
    await isOpen(seen);
    const { ws } = gateway.requests.at(-1);
    let heard = 0;
    ws.removeAllListeners("message"); // they are on their way for long
    ws.on("message", () => heard++);
    const promises = numbers(2).map((text) => seen.client.send(text));
    await until(() => heard == 2, "the messages");
    gateway.faults.ws.push(({ url }) => { // they arrive when the next one is asked for already
      assert.equal(url.searchParams.get("n"), "1");
      gateway.up = 2;
      gateway.taken.push("1", "2");
    });
    gateway.cut();
    promises.push(seen.client.send("3"), seen.client.send("4"));
    await Promise.all(promises);
    assert.deepEqual(gateway.taken, numbers(4));
  },

  "a topic takes no messages": async (gateway) => {
    const seen = follow(gateway);
    await assert.rejects(seen.client.send("early"), /no session/);
    assert.equal(seen.client.state, "open");
    await assert.rejects(seen.client.send("late"), /no session/);
  },

  "what was said goes along to another carrier": async (gateway) => {
    gateway.faults.ws.push(null, destroy, destroy);
    const seen = join(gateway);
    await isOpen(seen, "ws");
    await seen.client.send("1");
    gateway.cut();
    await Promise.all(numbers(3, 2).map((text) => seen.client.send(text)));
    assert.equal(seen.client.carrier, "sse");
    assert.deepEqual(gateway.taken, numbers(4));
  },

  "a superseded carrier is the end, by every carrier": async (gateway) => {
    const stream = join(gateway, { carriers: ["sse"] });
    await isOpen(stream);
    gateway.requests.at(-1).response.end("event: superseded\ndata: {}\n\n");
    await until(() => stream.closes.length, "the end of the stream");
    const poll = join(gateway, { carriers: ["poll"] });
    await isOpen(poll);
    gateway.faults.poll.push(status(409, {}, "superseded"));
    gateway.publish("something");
    await until(() => poll.closes.length, "the end of the poll");
    assert.equal(stream.closes[0].code, 4409);
    assert.equal(poll.closes[0].code, 4409);
  },

  "an application that ends the session is the end of a stream": async (gateway) => {
    const seen = join(gateway, { carriers: ["sse"] });
    await isOpen(seen);
    gateway.requests.at(-1).response.end('event: ended\ndata: {"status":1000,"reason":"bye"}\n\n');
    await until(() => seen.closes.length, "the end");
    assert.deepEqual(seen.closes, [{ code: 1000, reason: "bye" }]);
  },

  "a POST that fails is repeated, after Retry-After": async (gateway) => {
    const seen = join(gateway, { carriers: ["sse"] });
    await isOpen(seen);
    gateway.faults.post.push(destroy, status(502), status(429, { "retry-after": "1" }));
    const began = Date.now();
    await Promise.all([seen.client.send("1"), seen.client.send("2")]);
    assert.ok(Date.now() - began >= 990);
    assert.deepEqual(gateway.taken, ["1", "2"]);
    assert.equal(seen.opens.length, 1);
  },

  "fetch has a signal of its own for each POST": async (gateway) => {
    const signals = listened();
    const seen = join(gateway, { carriers: ["sse"], fetch: signals.fetch });
    for (const text of numbers(30)) await seen.client.send(text);
    assert.ok(signals.most() < 5, `${signals.most()} listeners`);
  },

  "a message that is too long is the end, as by WebSocket": async (gateway) => {
    const seen = join(gateway, { carriers: ["sse"] });
    await isOpen(seen);
    gateway.faults.post.push(status(413, {}, "too long"));
    await assert.rejects(seen.client.send("long"), /no session/);
    assert.deepEqual(seen.closes, [{ code: 4413, reason: "too long" }]);
  },
});

await play(tests);
