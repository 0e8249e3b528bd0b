// One stream of messages from a Ringway gateway, by WebSocket, event stream or long poll, whichever
// gets through; what was missed while there was none is asked for with the cursor.  README.md is the
// guide, ringway.d.ts says what each thing is, docs/protocol/2-client.md what is on the wire.

// What it does unless told otherwise; times in ms, but for `wait`.
const DEFAULTS = {
  carriers: ["ws", "sse", "poll"],
  minDelay: 1000,
  maxDelay: 30000,
  openTimeout: 10000,
  idleTimeout: 60000,
  stableAfter: 5000,
  retryBetter: 300000,
  wait: 25,
};
const FLAPS = 3; // connections in a row that did not last, before another carrier has its turn
const LONGEST = 2 ** 31 - 1; // ms; what a timer takes

// Codes of a WebSocket after which another connection would end the same way.  A status of HTTP
// counts as 4000 + status; of these only 408, 425 and 429 are worth another try.
const isFinal = (code) => /^(100[023789]|44(?!08|25|29)..)$/.test(code);

// Seconds, or a date; undefined if the header says neither.
const retryAfter = (text) => {
  const ms = +text ? text * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : undefined;
};

const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

// An event of text/event-stream as the frame that a WebSocket brings for it.
const frameOf = (block) => {
  const fields = {};
  const lines = [];
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (name == "data") lines.push(value);
    else if (name) fields[name] = value;
  }
  const { id: cursor, event } = fields;
  const data = lines.join("\n");
  if (!lines.length) return { cursor };
  if (event == "gap") return { ...JSON.parse(data), cursor };
  return event == "binary" ? { cursor, base64: data } : { cursor, data };
};

export class Ringway extends EventTarget {
  #options;
  #url;
  #state = "connecting";
  #cursor;
  #link; // the connection that counts
  #wake = () => {}; // ends the pause before the next try

  constructor(url, options) {
    super();
    this.#options = { ...DEFAULTS, WebSocket: globalThis.WebSocket, ...options };
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("ws", "http");
    this.#cursor = this.#options.cursor;
    const carriers = this.#options.carriers.filter((name) => {
      if (!DEFAULTS.carriers.includes(name)) throw new TypeError(`"${name}" is no carrier`);
      return name != "ws" || this.#options.WebSocket;
    });
    if (!carriers.length) throw new TypeError("there is no carrier");
    globalThis.addEventListener?.("online", this.#online);
    queueMicrotask(() => this.#run(carriers));
  }

  get url() { return this.#url.href; }
  get state() { return this.#state; }
  get carrier() { return this.#state == "open" ? this.#link.carrier : undefined; }
  get cursor() { return this.#cursor; }

  close() { this.#finish(1000, ""); }

  #online = () => this.#wake();

  #emit(type, fields) { this.dispatchEvent(Object.assign(new Event(type), fields)); }

  #become(state, fields) {
    this.#state = state;
    this.#emit("state", { state, ...fields });
  }

  #finish(code, reason) {
    if (this.#state == "closed") return;
    globalThis.removeEventListener?.("online", this.#online);
    const link = this.#link;
    this.#link = undefined;
    this.#become("closed");
    link?.abort();
    this.#wake();
    this.#emit("close", { code, reason });
  }

  // Rounds: in each the carriers have their turn until one opens; between two there is a pause,
  // longer after each round that brought nothing that lasted.
  async #run(carriers) {
    const { minDelay, maxDelay, stableAfter, retryBetter } = this.#options;
    let tries = 0;
    let flaps = 0;
    let best = 0; // where rounds begin until `until`: those before it have failed
    let until = 0;
    const prefer = (at) => {
      best = at;
      until = Date.now() + retryBetter;
    };
    while (this.#state != "closed") {
      const first = Date.now() < until ? best : 0;
      let at = first;
      let end;
      for (; at < carriers.length; at++) {
        const opened = () => { if (at > first) prefer(at); };
        const isOver = () => carriers[at] == "poll" && at && Date.now() > until;
        end = await this.#connect(carriers[at], opened, isOver);
        if (this.#state == "closed") return;
        if (isFinal(end.code)) return this.#finish(end.code, end.reason);
        if (end.lasted >= 0 || end.after) break;
      }
      if (end.isOver) continue;
      if (end.lasted >= stableAfter) {
        tries = flaps = 0;
      } else if (end.lasted >= 0 && ++flaps == FLAPS) {
        flaps = 0;
        prefer((at + 1) % carriers.length);
      } else if (at == carriers.length) {
        until = 0;
      }
      const delay = Math.min(LONGEST,
        (end.after ?? 0) + Math.random() * Math.min(maxDelay, minDelay * 2 ** tries++));
      this.#become("waiting", { delay });
      if (this.#state == "closed") return;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, delay);
        const wake = () => {
          clearTimeout(timer);
          resolve();
        };
        // A network that is back changes nothing for a server that asked for time.
        this.#wake = () => { if (!end.after || this.#state == "closed") wake(); };
      });
    }
  }

  // One connection, from its begin to its end: code, reason, and if it was opened, how long it
  // lasted.
  async #connect(carrier, opened, isOver) {
    const link = new AbortController();
    const { openTimeout } = this.#options;
    let timer;
    let since;
    let end;
    this.#link = link;
    link.carrier = carrier;
    link.isOver = isOver;
    // Without a sign of life for so long it is given up.
    link.watch = (ms) => {
      clearTimeout(timer);
      if (ms) timer = setTimeout(() => link.abort(), ms);
    };
    link.opened = () => {
      if (since) return;
      since = Date.now();
      opened();
      this.#become("open", { carrier });
      if (this.#link == link) this.#emit("open", { carrier });
    };
    link.watch(openTimeout);
    this.#become("connecting", { carrier });
    try {
      if (this.#link == link) end = await (carrier == "ws" ? this.#ws(link)
          : carrier == "sse" ? this.#sse(link) : this.#poll(link));
    } catch ({ code, message, after }) {
      end = { code: code > 4000 ? code : 1006, reason: message, after };
    }
    link.watch();
    link.abort();
    return { ...end, lasted: since && Date.now() - since };
  }

  // What has come; the first thing opens the connection.
  #take(link, { cursor, topic, data, base64, gap }) {
    if (this.#link == link) link.opened();
    if (this.#link != link) return; // closed by a listener
    this.#cursor = cursor ?? this.#cursor;
    if (gap) this.#emit("gap", gap);
    if ((data ?? base64) != null) {
      this.#emit("message", { data: data ?? bytes(base64), topic, cursor });
    }
  }

  #target(query) {
    const url = new URL(this.#url);
    for (const [name, value] of Object.entries({ cursor: this.#cursor, ...query })) {
      if (value != undefined) url.searchParams.set(name, value);
    }
    return url;
  }

  #ws(link) {
    return new Promise((resolve, reject) => {
      const url = this.#target();
      url.protocol = url.protocol.replace("http", "ws");
      const socket = new this.#options.WebSocket(url.href, "ringway.1");
      socket.onmessage = ({ data }) => {
        link.watch(); // the gateway pings, and the browser answers: nothing of it is seen here
        try {
          this.#take(link, JSON.parse(data));
        } catch (error) {
          reject(error);
        }
      };
      socket.onerror = () => {}; // a close follows
      socket.onclose = ({ code, reason }) => resolve({ code, reason });
      link.signal.onabort = () => {
        resolve({ code: 1006, reason: "timeout" });
        this.#state == "closed" ? socket.close(1000) : socket.close();
      };
    });
  }

  async #fetch(link, query, init) {
    const answer = await (this.#options.fetch ?? fetch)(this.#target(query).href,
      { cache: "no-store", signal: link.signal, ...init });
    if (answer.ok) return answer;
    throw Object.assign(new Error((await answer.text()).slice(0, 200).trim()),
      { code: 4000 + answer.status, after: retryAfter(answer.headers.get("retry-after")) });
  }

  async #sse(link) {
    const answer = await this.#fetch(link, {}, { headers: { accept: "text/event-stream" } });
    if (!/^text\/event-stream/.test(answer.headers.get("content-type"))) {
      throw new TypeError("the answer is no event stream");
    }
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    for (let text = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return { code: 1006, reason: "the stream ended" };
      const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
      text = blocks.pop(); // not all of it is here yet
      for (const block of blocks) this.#take(link, frameOf(block));
      if (this.carrier) link.watch(this.#options.idleTimeout);
    }
  }

  async #poll(link) {
    const { wait: most, idleTimeout } = this.#options;
    for (let wait = 0; ; wait = most) {
      if (wait) link.watch(wait * 1000 + idleTimeout);
      const answer = await this.#fetch(link, { wait });
      const { cursor, gap, messages } = await answer.json();
      if (gap) this.#take(link, { gap });
      for (const message of messages) this.#take(link, message);
      this.#take(link, { cursor });
      if (link.isOver()) return { isOver: true };
    }
  }
}
