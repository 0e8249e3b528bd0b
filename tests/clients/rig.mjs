// What the tests of bindings/javascript-client share.
import { getEventListeners } from "node:events";
import WebSocket from "ws";
import { Ringway } from "../../bindings/javascript-client/ringway.js";
import { FakeGateway } from "./fake_gateway.mjs";
import { run, until } from "./runner.mjs";

export const CARRIERS = ["ws", "sse", "poll"];
export const QUICK = { WebSocket, minDelay: 5, maxDelay: 50, timeout: 2000, wait: 5 };

const clients = new Set(); // of the test that runs

// A client, and everything that it told.
export function follow(gateway, options) {
  const client = new Ringway(gateway.url, { ...QUICK, ...options });
  clients.add(client);
  const seen = { client, data: [], gaps: [], states: [], opens: [], closes: [], delays: [], messages: [] };
  client.addEventListener("message", (event) => {
    seen.data.push(event.data);
    seen.messages.push(event);
  });
  client.addEventListener("gap", (event) => seen.gaps.push(event));
  client.addEventListener("open", (event) => seen.opens.push(event.carrier));
  client.addEventListener("close", ({ code, reason }) => seen.closes.push({ code, reason }));
  client.addEventListener("state", ({ state, delay }) => {
    seen.states.push(state);
    if (state == "waiting") seen.delays.push(delay);
  });
  return seen;
}

export const isOpen = (seen, carrier) =>
  until(() => seen.client.state == "open" && (!carrier || seen.client.carrier == carrier),
    `open by ${carrier ?? "any"}`);
export const has = (seen, count) => until(() => seen.data.length >= count, `${count} messages`);
export const numbers = (count, from = 1) => Array.from({ length: count }, (_, at) => String(from + at));
export const destroy = ({ socket, request }) => {
  (socket ?? request.socket).destroy();
  return true;
};
export const status = (code, headers, body = "no") => ({ socket, response }) => {
  if (response) {
    response.writeHead(code, headers).end(body);
  } else {
    socket.end(`HTTP/1.1 ${code} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
  return true;
};
export const times = (count, fault) => Array(count).fill(fault);
export const withRandom = async (value, test) => {
  const random = Math.random;
  Math.random = () => value;
  try {
    await test();
  } finally {
    Math.random = random;
  }
};

// A fetch, and how many listeners the most listened-to of its signals has.  Node 18 warns of more
// than 10 of one signal, later versions of more than 1500.
export function listened() {
  const signals = new Set();
  return {
    fetch: (url, init) => {
      signals.add(init.signal);
      return fetch(url, init);
    },
    most: () => Math.max(...[...signals].map((signal) => getEventListeners(signal, "abort").length)),
  };
}

// The same for each carrier.
export function each(tests, sentence, test) {
  for (const carrier of CARRIERS) tests[`${carrier}: ${sentence}`] = (gateway) => test(gateway, carrier);
}

// Runs tests, each with a gateway of its own; its clients are closed with it.
export async function play(tests) {
  for (const [name, test] of Object.entries(tests)) {
    tests[name] = async () => {
      const gateway = await new FakeGateway().start();
      try {
        await test(gateway);
      } finally {
        for (const client of clients) client.close();
        clients.clear();
        if (gateway.server.listening) await gateway.stop();
      }
    };
  }
  const warnings = [];
  process.on("warning", ({ name, message }) => warnings.push(`${name}: ${message}`));
  tests["Node warns of nothing"] = () => {
    const leaks = warnings.filter((text) => text.startsWith("MaxListenersExceeded"));
    if (leaks.length) throw new Error(leaks.join("\n"));
  };
  const failed = await run(tests);
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
