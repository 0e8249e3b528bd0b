// Tests with the npm packages ws and eventsource: node clients.mjs HOST:PORT.  run.py starts what
// they talk to.
import assert from "node:assert/strict";
import { once } from "node:events";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { run } from "./runner.mjs";

const host = process.argv[2];
const DEADLINE_MS = 20000;

async function connect(path, protocols) {
  const socket = new WebSocket(`ws://${host}${path}`, protocols);
  await once(socket, "open");
  return socket;
}

async function ask(socket, data) {
  const answer = once(socket, "message");
  socket.send(data);
  const [message, isBinary] = await answer;
  return { message, isBinary };
}

async function end(socket) {
  const closed = once(socket, "close");
  socket.close(1000);
  await closed;
}

async function publish(topic, text) {
  const answer = await fetch(`http://${host}/publish/${topic}`, { method: "POST", body: text });
  assert.equal(answer.status, 202);
}

// The data of the next `count` messages of an EventSource.
function messages(source, count) {
  return new Promise((resolve, reject) => {
    const seen = [];
    source.onmessage = (event) => {
      seen.push(event);
      if (seen.length === count) resolve(seen);
    };
    setTimeout(() => reject(new Error(`only ${seen.length} messages`)), DEADLINE_MS / 2).unref();
  });
}

const opened = (source) => new Promise((resolve) => (source.onopen = resolve));

const tests = {
  "ws: text and binary messages of all lengths come back as they were": async () => {
    const socket = await connect("/echo");
    for (const size of [0, 1, 125, 126, 127, 65535, 65536, 1000000]) {
      const text = "\u00e9".repeat(size / 2) + "x".repeat(size % 2);
      const { message, isBinary } = await ask(socket, text);
      assert.equal(isBinary, false);
      assert.equal(message.toString(), text);
      const bytes = Buffer.alloc(size, 0xfe);
      const answer = await ask(socket, bytes);
      assert.equal(answer.isBinary, true);
      assert.ok(bytes.equals(answer.message));
    }
    await end(socket);
  },

  "ws: a message in fragments is one message": async () => {
    const socket = await connect("/echo");
    const answer = once(socket, "message");
    socket.send("one ", { fin: false });
    socket.send("message", { fin: true });
    const [message] = await answer;
    assert.equal(message.toString(), "one message");
    await end(socket);
  },

  "ws: a ping is answered with its own payload": async () => {
    const socket = await connect("/echo");
    const pong = once(socket, "pong");
    socket.ping("are you there");
    const [payload] = await pong;
    assert.equal(payload.toString(), "are you there");
    await end(socket);
  },

  "ws: the application's close code and reason arrive": async () => {
    const socket = await connect("/echo");
    const closed = once(socket, "close");
    socket.send("close 4001 that was all");
    const [code, reason] = await closed;
    assert.equal(code, 4001);
    assert.equal(reason.toString(), "that was all");
  },

  "ws: compression that is offered and not taken does no harm": async () => {
    const socket = new WebSocket(`ws://${host}/echo`, { perMessageDeflate: true });
    await once(socket, "open");
    assert.equal(socket.extensions, "");
    assert.equal((await ask(socket, "plain")).message.toString(), "plain");
    await end(socket);
  },

  "ws: a topic route speaks ringway.1 and begins with a cursor": async () => {
    const socket = new WebSocket(`ws://${host}/news/chess`, ["ringway.1"]);
    const [first] = await once(socket, "message");
    assert.equal(socket.protocol, "ringway.1");
    assert.deepEqual(Object.keys(JSON.parse(first)), ["cursor"]);
    const next = once(socket, "message");
    await publish("news/chess", "mate in two");
    const { cursor, topic, data } = JSON.parse((await next)[0]);
    assert.equal(topic, "news/chess");
    assert.equal(data, "mate in two");
    assert.ok(cursor);
    await end(socket);
  },

  "eventsource: publications arrive in order, lines and all": async () => {
    const source = new EventSource(`http://${host}/news/sport`);
    await opened(source);
    const arrived = messages(source, 3);
    for (const text of ["one", "two\nlines", "\u00fcber"]) await publish("news/sport", text);
    assert.deepEqual((await arrived).map((event) => event.data), ["one", "two\nlines", "\u00fcber"]);
    source.close();
  },

  "eventsource: a client that comes back gets what it missed, then what is new": async () => {
    const first = new EventSource(`http://${host}/news/art`);
    await opened(first);
    const arrived = messages(first, 1);
    await publish("news/art", "seen");
    const cursor = (await arrived)[0].lastEventId;
    first.close();
    await publish("news/art", "missed");
    const again = new EventSource(`http://${host}/news/art?cursor=${encodeURIComponent(cursor)}`);
    const missed = await messages(again, 1);
    const next = messages(again, 1);
    await publish("news/art", "new");
    assert.deepEqual([...missed, ...(await next)].map((event) => event.data), ["missed", "new"]);
    again.close();
  },

  "fetch: a long poll is answered with the next publication": async () => {
    const url = `http://${host}/news/poll`;
    const { cursor } = await (await fetch(`${url}?wait=0`)).json();
    const held = fetch(`${url}?cursor=${encodeURIComponent(cursor)}&wait=10`);
    await publish("news/poll", "news");
    const { messages: list } = await (await held).json();
    assert.deepEqual(list.map((message) => message.data), ["news"]);
  },
};

const failed = await run(tests);
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
