// A gateway with one topic that keeps everything, and at /session with one session, for tests of
// clients: it can be told to do to the next requests what networks and proxies do.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

export class FakeGateway {
  // requests  {carrier, cursor, url, at} of each that came
  // faults    per carrier, functions (exchange) for its next requests, in order; one that returns
  //           true has dealt with the request, after another it is served as always
  constructor() {
    this.messages = [];
    this.requests = [];
    this.faults = { ws: [], sse: [], poll: [], post: [] };
    this.listeners = new Set(); // functions that are called with each new message
    this.sockets = new Set();
    this.port = 0;
    this.token = "";
    this.up = 0; // what the session has taken: texts and bytes, numbered from 1
    this.taken = [];
    this.isEnded = false;
  }

  get sessionUrl() { return `http://127.0.0.1:${this.port}/session`; }

  async start() {
    this.server = createServer((request, response) => this.#answer(request, response));
    this.webSockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) => offered.has("ringway.1") && "ringway.1",
    });
    this.server.on("upgrade", (request, socket) => this.#upgrade(request, socket));
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.server.on("error", reject);
      this.server.listen(this.port, "127.0.0.1", resolve);
    });
    this.port = this.server.address().port; // the same after a restart
    return this;
  }

  get url() { return `http://127.0.0.1:${this.port}/topic`; }

  // Every connection breaks.
  cut() {
    for (const socket of this.sockets) socket.destroy();
    this.listeners.clear();
  }

  async stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }

  publish(data) {
    const what = typeof data == "string" ? { data } : { base64: Buffer.from(data).toString("base64") };
    const message = { cursor: this.#position(this.messages.length + 1), topic: "topic", ...what };
    this.messages.push(message);
    for (const tell of [...this.listeners]) tell(message);
  }

  tell(frame) {
    for (const tell of [...this.listeners]) tell(frame);
  }

  // A message of the client; a number that was there before is a repetition.
  #hear(n, data) {
    if (n <= this.up) return;
    if (n != this.up + 1) throw new Error(`${n} after ${this.up}`);
    this.up = n;
    this.taken.push(data);
  }

  // The session's part of the first frame; a number is a refusal.
  #join({ url }) {
    if (url.pathname != "/session") return {};
    const token = url.searchParams.get("session");
    if (token == null) {
      this.token = `token${this.requests.length}`;
      this.isEnded = false;
      this.up = 0;
    } else if (token != this.token || this.isEnded) {
      return 410;
    }
    return { session: this.token, up: this.up };
  }

  #position(number) { return `e:${number}`; }

  // What came after the cursor; all that comes, where there is none.
  #since(cursor) { return this.messages.slice(cursor ? +cursor.slice(2) : this.messages.length); }

  #exchange(carrier, request, more) {
    const url = new URL(request.url, "http://gateway");
    const exchange = { carrier, url, cursor: url.searchParams.get("cursor"), request, at: Date.now(), ...more };
    this.requests.push(exchange);
    exchange.isDone = this.faults[carrier].shift()?.(exchange) === true;
    return exchange;
  }

  #upgrade(request, socket) {
    const exchange = this.#exchange("ws", request, { socket });
    if (exchange.isDone) return;
    this.webSockets.handleUpgrade(request, socket, Buffer.alloc(0), (ws) => {
      exchange.ws = ws;
      const joined = this.#join(exchange);
      if (joined == 410) {
        ws.close(4410, "no such session");
        return;
      }
      const send = (frame) => ws.send(JSON.stringify(frame));
      let n = +exchange.url.searchParams.get("n");
      ws.on("message", (data, isBinary) => {
        this.#hear(n++, isBinary ? new Uint8Array(data) : data.toString());
        send({ up: this.up });
      });
      ws.on("close", (code) => { if (code == 1000) this.isEnded = true; });
      this.#follow(exchange, socket, send, joined);
    });
  }

  #answer(request, response) {
    if (request.method != "GET") {
      this.#say(this.#exchange("post", request, { response }));
      return;
    }
    const isStream = request.headers.accept == "text/event-stream";
    const exchange = this.#exchange(isStream ? "sse" : "poll", request, { response });
    if (exchange.isDone) return;
    const joined = this.#join(exchange);
    if (joined == 410) {
      response.writeHead(410).end("no such session");
    } else if (isStream) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      this.#follow(exchange, response, (frame) => response.write(eventOf(frame)), joined);
    } else {
      this.#poll(exchange, joined);
    }
  }

  // A POST or a DELETE of the session.
  async #say({ request, response, url, isDone }) {
    if (isDone) return;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (url.searchParams.get("session") != this.token || this.isEnded) {
      response.writeHead(410).end("no such session");
      return;
    }
    if (request.method == "DELETE") {
      this.isEnded = true;
    } else {
      const isBinary = request.headers["content-type"] == "application/octet-stream";
      this.#hear(+url.searchParams.get("n"), isBinary ? new Uint8Array(body) : body.toString());
    }
    response.writeHead(204).end();
  }

  #follow(exchange, connection, send, joined) {
    send({ ...joined, cursor: exchange.cursor ?? this.#position(this.messages.length) });
    for (const message of this.#since(exchange.cursor)) send(message);
    this.listeners.add(send);
    connection.on("close", () => this.listeners.delete(send));
  }

  #poll({ cursor, url, response }, joined) {
    let timer;
    const answer = (messages) => {
      clearTimeout(timer);
      this.listeners.delete(tell);
      const last = messages.at(-1)?.cursor ?? cursor ?? this.#position(this.messages.length);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ ...joined, cursor: last, messages }));
    };
    const tell = (message) => answer([message]);
    const missed = this.#since(cursor);
    if (missed.length) {
      answer(missed);
    } else {
      this.listeners.add(tell);
      timer = setTimeout(() => answer([]), url.searchParams.get("wait") * 1000);
      response.on("close", () => {
        clearTimeout(timer);
        this.listeners.delete(tell);
      });
    }
  }
}

// A frame as an event of text/event-stream with format=json.
export function eventOf(frame) {
  const { cursor, gap, session, ...more } = frame;
  if (!gap && !session && !Object.keys(more).length) return `:\nid: ${cursor}\n\n`;
  const name = gap ? "event: gap\n" : session ? "event: session\n" : "";
  return `${cursor ? `id: ${cursor}\n` : ""}${name}data: ${JSON.stringify(frame)}\n\n`;
}
