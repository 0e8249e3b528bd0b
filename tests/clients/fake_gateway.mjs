// A gateway with one topic that keeps everything, for tests of clients: it can be told to do to the
// next requests what networks and proxies do.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

export class FakeGateway {
  // requests  {carrier, cursor, url, at} of each that came
  // faults    per carrier, functions (exchange) for its next requests, in order; one that returns
  //           true has dealt with the request, after another it is served as always
  constructor() {
    this.messages = [];
    this.requests = [];
    this.faults = { ws: [], sse: [], poll: [] };
    this.listeners = new Set(); // functions that are called with each new message
    this.sockets = new Set();
    this.port = 0;
  }

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
      const send = (frame) => ws.send(JSON.stringify(frame));
      this.#follow(exchange, socket, send);
    });
  }

  #answer(request, response) {
    const isStream = request.headers.accept == "text/event-stream";
    const exchange = this.#exchange(isStream ? "sse" : "poll", request, { response });
    if (exchange.isDone) return;
    if (!isStream) {
      this.#poll(exchange);
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    this.#follow(exchange, response, (frame) => response.write(eventOf(frame)));
  }

  #follow(exchange, connection, send) {
    send({ cursor: exchange.cursor ?? this.#position(this.messages.length) });
    for (const message of this.#since(exchange.cursor)) send(message);
    this.listeners.add(send);
    connection.on("close", () => this.listeners.delete(send));
  }

  #poll({ cursor, url, response }) {
    let timer;
    const answer = (messages) => {
      clearTimeout(timer);
      this.listeners.delete(tell);
      const last = messages.at(-1)?.cursor ?? cursor ?? this.#position(this.messages.length);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ cursor: last, messages }));
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

// A frame as an event of text/event-stream.
export function eventOf({ cursor, data, base64, gap }) {
  if (gap) return `id: ${cursor}\nevent: gap\ndata: ${JSON.stringify({ gap })}\n\n`;
  if (base64 != null) return `id: ${cursor}\nevent: binary\ndata: ${base64}\n\n`;
  if (data == null) return `:\nid: ${cursor}\n\n`;
  return `id: ${cursor}\n${data.split("\n").map((line) => `data: ${line}\n`).join("")}\n`;
}
