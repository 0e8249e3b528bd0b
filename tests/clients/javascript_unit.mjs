// bindings/javascript-client against a gateway that does what networks and proxies do.
import assert from "node:assert/strict";
import { Ringway } from "../../bindings/javascript-client/ringway.js";
import { FakeGateway, eventOf } from "./fake_gateway.mjs";
import {
  QUICK, destroy, each, follow, has, isOpen, listened, numbers, play, status, times, withRandom,
} from "./rig.mjs";
import { until } from "./runner.mjs";

const tests = {};

each(tests, "messages come with topic and cursor, bytes as Uint8Array", async (gateway, carrier) => {
  const seen = follow(gateway, { carriers: [carrier] });
  await isOpen(seen);
  const texts = ["one", "two\nlines", "", " space", "\u00fcn\u00ef \u{1f600}"];
  const bytes = new Uint8Array([0, 255, 10, 13]);
  for (const data of [...texts, bytes]) gateway.publish(data);
  await has(seen, 6);
  assert.deepEqual(seen.data, [...texts, bytes]);
  assert.ok(seen.data[5] instanceof Uint8Array);
  assert.deepEqual(seen.messages.map(({ cursor }) => cursor), numbers(6).map((n) => `e:${n}`));
  assert.equal(seen.client.cursor, "e:6");
  assert.equal(seen.messages[0].topic, "topic");
  assert.deepEqual(seen.states, ["connecting", "open"]);
  assert.deepEqual(seen.opens, [carrier]);
});

each(tests, "a gap is told at its place", async (gateway, carrier) => {
  const seen = follow(gateway, { carriers: [carrier] });
  const order = [];
  seen.client.addEventListener("gap", () => order.push("gap"));
  seen.client.addEventListener("message", ({ data }) => order.push(data));
  await isOpen(seen);
  gateway.publish("before");
  await has(seen, 1);
  const gap = { topic: "topic", from: "e:1", to: "e:4", reason: "history" };
  await until(() => gateway.listeners.size, "a poll that is held");
  gateway.tell({ cursor: "e:1", gap });
  await until(() => seen.gaps.length, "the gap");
  gateway.publish("after");
  await has(seen, 2);
  const { topic, from, to, reason } = seen.gaps[0];
  assert.deepEqual({ topic, from, to, reason }, gap);
  assert.deepEqual(order, ["before", "gap", "after"]);
});

each(tests, "connections that break again and again lose and repeat nothing", async (gateway, carrier) => {
  const seen = follow(gateway, { carriers: [carrier] });
  await isOpen(seen);
  for (let at = 1; at <= 100; at++) {
    gateway.publish(String(at));
    if (at % 10 == 5) gateway.cut();
    if (at % 10 == 0) await has(seen, at - 2);
  }
  await has(seen, 100);
  assert.deepEqual(seen.data, numbers(100));
  assert.ok(gateway.requests.length > 5);
});

each(tests, "a cursor from before is shown", async (gateway, carrier) => {
  for (const data of numbers(4)) gateway.publish(data);
  const seen = follow(gateway, { carriers: [carrier], cursor: "e:2" });
  await has(seen, 2);
  assert.deepEqual(seen.data, ["3", "4"]);
  assert.equal(gateway.requests[0].cursor, "e:2");
});

each(tests, "after close() nothing is told and nothing is asked", async (gateway, carrier) => {
  const seen = follow(gateway, { carriers: [carrier] });
  await isOpen(seen);
  await until(() => gateway.listeners.size, "a poll that is held");
  seen.client.close();
  seen.client.close();
  const asked = gateway.requests.length;
  assert.deepEqual(seen.closes, [{ code: 1000, reason: "" }]);
  assert.equal(seen.client.state, "closed");
  await until(() => gateway.sockets.size == 0 || !gateway.listeners.size, "the end of the connection");
  gateway.publish("late");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(seen.data, []);
  assert.equal(gateway.requests.length, asked);
});

for (const [carrier, code] of [["sse", 400], ["sse", 403], ["sse", 404], ["sse", 410], ["poll", 403],
  ["poll", 404], ["poll", 409], ["poll", 410]]) {
  tests[`${carrier}: status ${code} ends it`] = async (gateway) => {
    gateway.faults[carrier].push(status(code, {}, "that is why\n"));
    const seen = follow(gateway, { carriers: [carrier] });
    await until(() => seen.closes.length, "the end");
    assert.deepEqual(seen.closes, [{ code: 4000 + code, reason: "that is why" }]);
    assert.equal(gateway.requests.length, 1);
  };
}

for (const code of [1000, 1008, 4403, 4409, 4410]) {
  tests[`ws: close code ${code} ends it`] = async (gateway) => {
    const seen = follow(gateway);
    await isOpen(seen, "ws");
    gateway.requests[0].ws.close(code, "enough");
    await until(() => seen.closes.length, "the end");
    assert.deepEqual(seen.closes, [{ code, reason: "enough" }]);
    assert.deepEqual(seen.states, ["connecting", "open", "closed"]);
  };
}

for (const code of [1001, 1011, 1013, 4001, 4429, 4500]) {
  tests[`ws: after close code ${code} it comes back`] = async (gateway) => {
    const seen = follow(gateway);
    await isOpen(seen, "ws");
    gateway.publish("1");
    await has(seen, 1);
    gateway.requests[0].ws.close(code);
    await until(() => seen.opens.length == 2, "the second connection");
    assert.equal(gateway.requests[1].cursor, "e:1");
    assert.deepEqual(seen.states, ["connecting", "open", "waiting", "connecting", "open"]);
  };
}

Object.assign(tests, {
  "fetch has a signal of its own for each poll": async (gateway) => {
    const signals = listened();
    const seen = follow(gateway, { carriers: ["poll"], fetch: signals.fetch });
    await isOpen(seen);
    for (let at = 1; at <= 30; at++) {
      gateway.publish(String(at));
      await has(seen, at);
    }
    assert.ok(gateway.requests.length > 20);
    assert.ok(signals.most() < 5, `${signals.most()} listeners`);
  },

  "a WebSocket that is refused: an event stream": async (gateway) => {
    gateway.faults.ws.push(...times(9, status(403)));
    const seen = follow(gateway);
    await isOpen(seen, "sse");
    assert.deepEqual(gateway.requests.map(({ carrier }) => carrier), ["ws", "sse"]);
    assert.deepEqual(seen.delays, []);
  },

  "a proxy that kills upgrades in the middle of everything: the cursor goes along": async (gateway) => {
    const seen = follow(gateway);
    await isOpen(seen, "ws");
    gateway.publish("1");
    await has(seen, 1);
    gateway.faults.ws.push(...times(9, destroy));
    gateway.cut();
    gateway.publish("2");
    await has(seen, 2);
    assert.equal(seen.client.carrier, "sse");
    gateway.faults.sse.push(...times(9, destroy));
    gateway.cut();
    gateway.publish("3");
    await has(seen, 3);
    assert.equal(seen.client.carrier, "poll");
    gateway.publish("4");
    await has(seen, 4);
    assert.deepEqual(seen.data, numbers(4));
    assert.deepEqual(seen.opens, ["ws", "sse", "poll"]);
  },

  "a proxy that holds back the stream: long poll": async (gateway) => {
    gateway.faults.ws.push(...times(9, destroy));
    gateway.faults.sse.push(({ response }) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      return true;
    });
    const seen = follow(gateway, { timeout: 200 });
    await isOpen(seen, "poll");
  },

  "a proxy that never answers an upgrade: an event stream": async (gateway) => {
    gateway.faults.ws.push(() => true);
    const seen = follow(gateway, { timeout: 200 });
    await isOpen(seen, "sse");
  },

  "a page of somebody else instead of a stream, or of JSON, is no message": async (gateway) => {
    const page = status(200, { "content-type": "text/html" }, "<html>\n\nwelcome\n\n");
    gateway.faults.ws.push(...times(2, status(302)));
    gateway.faults.sse.push(page, page);
    gateway.faults.poll.push(page);
    const seen = follow(gateway);
    await isOpen(seen, "poll");
    assert.deepEqual(seen.data, []);
  },

  "a carrier that works is tried first next time, a better one again later": async (gateway) => {
    gateway.faults.ws.push(destroy);
    const seen = follow(gateway, { better: 300 });
    await isOpen(seen, "sse");
    gateway.cut();
    await until(() => seen.opens.length == 2, "the second connection");
    assert.deepEqual(seen.opens, ["sse", "sse"]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.cut();
    await isOpen(seen, "ws");
  },

  "long poll gives way to a better carrier by itself": async (gateway) => {
    gateway.faults.ws.push(destroy);
    gateway.faults.sse.push(destroy);
    const seen = follow(gateway, { better: 100, wait: 0.05 });
    await isOpen(seen, "poll");
    gateway.publish("1");
    await isOpen(seen, "ws");
    gateway.publish("2");
    await has(seen, 2);
    assert.deepEqual(seen.data, ["1", "2"]);
    assert.deepEqual(seen.delays, []);
  },

  "a carrier whose connections never last gives way": async (gateway) => {
    const cut = ({ socket }) => setTimeout(() => socket.destroy(), 20);
    gateway.faults.ws.push(...times(9, cut));
    const seen = follow(gateway);
    await isOpen(seen, "sse");
    assert.deepEqual(seen.opens, ["ws", "ws", "ws", "sse"]);
  },

  "an event that is cut in the middle comes once, and whole": async (gateway) => {
    const seen = follow(gateway, { carriers: ["sse"] });
    await isOpen(seen);
    gateway.publish("1");
    await has(seen, 1);
    gateway.listeners.clear();
    gateway.publish("two\nlines");
    const event = eventOf(gateway.messages[1]);
    gateway.requests[0].response.write(event.slice(0, -8));
    await new Promise((resolve) => setTimeout(resolve, 30));
    gateway.cut();
    await has(seen, 2);
    gateway.publish("3");
    await has(seen, 3);
    assert.deepEqual(seen.data, ["1", "two\nlines", "3"]);
    assert.equal(gateway.requests[1].cursor, "e:1");
  },

  "an event in pieces, in the middle of a character too, is one event": async (gateway) => {
    const seen = follow(gateway, { carriers: ["sse"] });
    await isOpen(seen);
    gateway.listeners.clear();
    const { response } = gateway.requests[0];
    response.socket.setNoDelay(true);
    for (const byte of Buffer.from(['{"data":"\u00fc \u{1f600}"}', '{"data":"b"}']
      .map((data, at) => `id: e:${at + 1}\ndata: ${data}\n\n`).join(""))) {
      response.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await has(seen, 2);
    assert.deepEqual(seen.data, ["\u00fc \u{1f600}", "b"]);
  },

  "a stream without a sign of life is given up, and taken up again": async (gateway) => {
    const seen = follow(gateway, { carriers: ["sse"], idle: 100 });
    await isOpen(seen);
    await until(() => seen.opens.length == 2, "the second stream");
    gateway.publish("1");
    await has(seen, 1);
    assert.deepEqual(seen.data, ["1"]);
  },

  "a quiet stream, or WebSocket, is not given up before that": async (gateway) => {
    for (const carrier of ["ws", "sse"]) {
      const seen = follow(gateway, { carriers: [carrier], timeout: 60, idle: 10000 });
      await isOpen(seen);
      await new Promise((resolve) => setTimeout(resolve, 150));
      gateway.publish("1");
      await has(seen, 1);
      assert.deepEqual(seen.states, ["connecting", "open"]);
      seen.client.close();
    }
  },

  "polls that fail in every way lose and repeat nothing": async (gateway) => {
    const seen = follow(gateway, { carriers: ["poll"] });
    await isOpen(seen);
    const half = ({ response }) => {
      const text = JSON.stringify({ cursor: "e:999", messages: [{ cursor: "e:999", data: "false" }] });
      response.writeHead(200, { "content-length": text.length }).write(text.slice(0, -5));
      setTimeout(() => response.destroy(), 5);
      return true;
    };
    const faults = [destroy, status(500), status(502), status(408), half,
      status(200, {}, "not JSON"), status(200, {}, "{}"), status(429)];
    for (const [at, fault] of faults.entries()) {
      gateway.faults.poll.push(fault);
      gateway.publish(String(2 * at + 1));
      gateway.publish(String(2 * at + 2));
      await has(seen, 2 * at + 2);
      await until(() => !gateway.faults.poll.length, "the fault");
    }
    assert.deepEqual(seen.data, numbers(16));
    assert.deepEqual(seen.closes, []);
  },

  "a gateway that starts late is found": async (gateway) => {
    await gateway.stop();
    const seen = follow(gateway);
    await until(() => seen.delays.length >= 3, "three rounds");
    assert.equal(seen.opens.length, 0);
    await gateway.start();
    await isOpen(seen);
  },

  "a gateway that is stopped and started again is found, nothing is missing": async (gateway) => {
    const seen = follow(gateway);
    await isOpen(seen, "ws");
    for (const data of numbers(5)) gateway.publish(data);
    await has(seen, 5);
    await gateway.stop();
    for (const data of numbers(5, 6)) gateway.publish(data);
    await until(() => seen.delays.length >= 2, "two rounds");
    await gateway.start();
    await has(seen, 10);
    assert.deepEqual(seen.data, numbers(10));
  },

  "pauses double up to the limit, and begin anew after a connection that lasted": async (gateway) => {
    await gateway.stop();
    await withRandom(1, async () => {
      const seen = follow(gateway, { minDelay: 4, maxDelay: 30, stable: 100 });
      await until(() => seen.delays.length >= 6, "six rounds");
      assert.deepEqual(seen.delays.slice(0, 6), [4, 8, 16, 30, 30, 30]);
      await gateway.start();
      await isOpen(seen);
      const before = seen.delays.length;
      gateway.cut(); // too early
      await until(() => seen.delays.length > before, "the loss");
      assert.equal(seen.delays.at(-1), 30);
      await isOpen(seen);
      await new Promise((resolve) => setTimeout(resolve, 120));
      const then = seen.delays.length;
      gateway.cut();
      await until(() => seen.delays.length > then, "the second loss");
      assert.equal(seen.delays[then], 4);
    });
  },

  "pauses are random, from nothing to the whole": async (gateway) => {
    await gateway.stop();
    const seen = follow(gateway, { minDelay: 4, maxDelay: 4 });
    await until(() => seen.delays.length >= 30, "thirty rounds");
    assert.ok(seen.delays.every((delay) => delay >= 0 && delay <= 4));
    assert.ok(seen.delays.some((delay) => delay < 2) && seen.delays.some((delay) => delay > 2));
  },

  "Retry-After is waited for, in seconds and as a date, by every carrier": async () => {
    const wait = async (carrier, after) => {
      const gateway = await new FakeGateway().start();
      gateway.faults.ws.push(destroy);
      gateway.faults[carrier].push(status(503, { "retry-after": after }));
      const seen = follow(gateway, { carriers: ["ws", carrier] });
      await isOpen(seen);
      const [, refused, next] = gateway.requests;
      assert.ok(next.at - refused.at >= 990, `${after}: ${next.at - refused.at} ms`);
      assert.equal(seen.delays.length, 1);
      seen.client.close();
      await gateway.stop();
    };
    // A date has no fractions of a second.
    const date = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toUTCString();
    await Promise.all([wait("sse", "1"), wait("poll", "1"), wait("sse", date), wait("poll", date)]);
  },

  "a refusal without Retry-After gives the next carrier its turn": async (gateway) => {
    gateway.faults.ws.push(destroy);
    gateway.faults.sse.push(status(503));
    const seen = follow(gateway);
    await isOpen(seen, "poll");
    assert.deepEqual(seen.delays, []);
  },

  "a network that is back ends the pause, but not that of Retry-After": async (gateway) => {
    const target = new EventTarget();
    globalThis.addEventListener = target.addEventListener.bind(target);
    globalThis.removeEventListener = target.removeEventListener.bind(target);
    try {
      await withRandom(1, async () => {
        gateway.faults.ws.push(destroy);
        const seen = follow(gateway, { carriers: ["ws"], minDelay: 60000, maxDelay: 60000 });
        await until(() => seen.delays.length, "the pause");
        target.dispatchEvent(new Event("online"));
        await isOpen(seen);
        gateway.faults.sse.push(status(503, { "retry-after": "60" }));
        const other = follow(gateway, { carriers: ["sse"] });
        await until(() => other.delays.length, "the pause");
        target.dispatchEvent(new Event("online"));
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(other.client.state, "waiting");
        other.client.close();
        seen.client.close();
      });
    } finally {
      delete globalThis.addEventListener;
      delete globalThis.removeEventListener;
    }
  },

  "without a WebSocket in the runtime it begins with an event stream": async (gateway) => {
    const seen = follow(gateway, { WebSocket: undefined });
    await isOpen(seen, "sse");
    assert.deepEqual(gateway.requests.map(({ carrier }) => carrier), ["sse"]);
  },

  "listeners may close it, in any event": async (gateway) => {
    for (const type of ["state", "open", "message", "gap"]) {
      const seen = follow(gateway);
      seen.client.addEventListener(type, () => seen.client.close());
      await until(() => seen.closes.length || gateway.listeners.size, "a connection");
      gateway.publish("1");
      gateway.tell({ gap: { to: "e:1", reason: "history" } });
      await until(() => seen.closes.length == 1, `the end in ${type}`);
      await until(() => !gateway.listeners.size, "the end of the connection");
      assert.equal(seen.states.at(-1), "closed");
      assert.ok(seen.data.length <= 1);
    }
  },

  "the query of the address stays; fetch may be replaced": async (gateway) => {
    const seen = [];
    const client = new Ringway(`${gateway.url}?token=a%20b`, {
      ...QUICK,
      carriers: ["sse"],
      fetch: (url, init) => {
        seen.push(url);
        return fetch(url, init);
      },
    });
    await until(() => client.state == "open", "open");
    assert.equal(new URL(seen[0]).searchParams.get("token"), "a b");
    client.close();
  },

  "what cannot work is refused at once": async () => {
    assert.throws(() => new Ringway("/no/base"), /Invalid URL/);
    assert.throws(() => new Ringway("http://127.0.0.1/", { carriers: ["pigeon"] }), /no carrier/);
    assert.throws(() => new Ringway("http://127.0.0.1/", { carriers: [] }), /no carrier/);
    assert.throws(() => new Ringway("http://127.0.0.1/", { carriers: ["ws"], WebSocket: undefined }),
      /no carrier/);
  },
});

await play(tests);
