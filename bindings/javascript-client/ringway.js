// One stream of messages from a Ringway gateway, by WebSocket, event stream or long poll, whichever
// gets through; what was missed while there was none is asked for with the cursor.  README.md is the
// guide, ringway.d.ts says what each thing is, docs/protocol/2-client.md what is on the wire.

// What it does unless told otherwise; times in ms, but for `wait`.
const DEFAULTS = {
  carriers: ["ws", "sse", "poll"],
  minDelay: 1000,
  maxDelay: 30000,
  timeout: 10000,
  idle: 60000,
  stable: 5000,
  better: 300000,
  wait: 25,
};
const { now } = Date;
const world = globalThis; // a window, or what Node has instead
const FLAPS = 3; // connections in a row that did not last, before another carrier has its turn
const LONGEST = 2 ** 31 - 1; // ms; what a timer takes

// Codes of a WebSocket after which another connection would end the same way.  A status of HTTP
// counts as 4000 + status; of these only 408, 425 and 429 are worth another try.
const FINAL = /^(100[023789]|44(?!08|25|29)..)$/;

export class Ringway extends EventTarget {
  #options;
  #url;
  #state = "connecting";
  #isOver; // closed, for good
  #cursor;
  #session; // the token
  #carrier;
  #link; // the connection that counts: what has to be aborted with it, by name
  #since; // when it was opened
  #timer; // the only one: of the connection, or of the pause after it
  #wake; // ends the pause before the next try
  #unsent = []; // {n, data, resolve, reject}: what the application has not taken yet
  #count; // numbers of messages that were given away; undefined until the gateway has told its own
  #sent; // the highest that the open WebSocket had, and how it takes another one
  #send;

  constructor(url, options) {
    super();
    this.#options = { ...DEFAULTS, WebSocket: world.WebSocket, ...options };
    this.#url = new URL(`${url}`.replace(/^ws/, "http"), world.location?.href);
    ({ cursor: this.#cursor, session: this.#session } = this.#options);
    const carriers = this.#options.carriers.filter((name) =>
      DEFAULTS.carriers.includes(name) && (name != "ws" || this.#options.WebSocket));
    if (!carriers[0]) throw new TypeError("no carrier");
    world.addEventListener?.("online", this.#online);
    this.#run(carriers);
  }

  get state() { return this.#state; }
  get carrier() { return this.#carrier; }
  get cursor() { return this.#cursor; }
  get session() { return this.#session; }

  send(data) {
    return new Promise((resolve, reject) => {
      this.#unsent.push({ data, resolve, reject });
      this.#flush();
    });
  }

  close() {
    // A WebSocket that is open says it by its close code.
    if (this.#session && !this.#isOver && !this.#send) {
      this.#fetch({}, {}, { method: "DELETE", keepalive: true }).catch(() => {});
    }
    this.#finish(1000, "");
  }

  #online = () => this.#wake?.();

  #emit(type, fields) { this.dispatchEvent(Object.assign(new Event(type), fields)); }

  #become(state, delay) {
    this.#state = state;
    this.#emit("state", { state, carrier: this.#carrier, delay });
  }

  #alarm(ms, ring = this.#cut) {
    clearTimeout(this.#timer);
    if (ms) this.#timer = setTimeout(ring, ms);
  }

  // The connection does not count any more.
  #cut = () => {
    const link = this.#link;
    this.#link = this.#carrier = undefined;
    for (const part in link) link[part].abort();
  };

  #finish(code, reason) {
    if (this.#isOver) return;
    this.#isOver = true;
    world.removeEventListener?.("online", this.#online);
    this.#cut();
    this.#alarm();
    this.#become("closed");
    this.#emit("close", { code, reason });
    this.#flush();
  }

  // Rounds: in each the carriers have their turn until one opens; between two there is a pause,
  // longer after each round that brought nothing that lasted.
  async #run(carriers) {
    const { minDelay, maxDelay, stable, better } = this.#options;
    let tries = 0;
    let flaps = 0;
    let best = 0; // where rounds begin until `until`: those before it have failed
    let until = 0;
    await 0; // listeners may be added first
    for (;;) {
      const first = now() < until ? best : 0;
      let at = first;
      let end;
      for (; at < carriers.length; at++) {
        // A session of an earlier client is asked first how many messages it has taken.
        const isNew = this.#session && this.#count == null;
        end = await this.#connect(isNew ? "poll" : carriers[at],
          () => isNew || (at && now() > this.#since + better));
        if (this.#isOver) return;
        if (FINAL.test(end.code)) return this.#finish(end.code, end.message);
        if (end.lasted >= 0 || end.after) break;
      }
      const { isOver, lasted, after = 0 } = end;
      if (isOver) continue;
      if (at > first) {
        best = at;
        until = now() - lasted + better; // not a number, so never, if all have failed
      }
      if (lasted >= stable) {
        tries = flaps = 0;
      } else if (lasted >= 0 && ++flaps == FLAPS) {
        flaps = 0;
        best = (at + 1) % carriers.length;
        until = now() + better;
      }
      const delay = Math.min(LONGEST,
        after + Math.random() * Math.min(maxDelay, minDelay * 2 ** tries++));
      this.#become("waiting", delay);
      if (this.#isOver) return;
      await new Promise((resolve) => {
        // A network that is back changes nothing for a server that asked for time.
        this.#wake = after ? undefined : resolve;
        this.#alarm(delay, resolve);
      });
    }
  }

  // One connection, from its begin to its end; an end has a code, a message, `after`: ms to
  // wait, and how long it was open, in ms; not a number if it never was.
  async #connect(carrier, isOver) {
    const link = this.#link = {};
    let end;
    this.#carrier = carrier;
    this.#alarm(this.#options.timeout);
    this.#become("connecting");
    try {
      if (this.#link == link) {
        end = await (carrier == "ws" ? this.#ws(link)
          : carrier == "sse" ? this.#sse(link) : this.#poll(link, isOver));
      }
    } catch (error) {
      end = error;
    }
    const lasted = now() - this.#since;
    this.#send = this.#sent = this.#since = undefined;
    this.#cut();
    return { ...end, lasted };
  }

  // What has come; the first thing opens the connection.
  #take(link, { cursor, session, up, topic, data, base64, gap }) {
    if (this.#link != link) return;
    this.#session = session ?? this.#session;
    this.#count ??= up;
    this.#settle(up);
    if (!this.#since) {
      this.#since = now();
      this.#become("open");
      if (this.#link == link) this.#emit("open", { carrier: this.#carrier });
      this.#flush();
    }
    if (this.#link != link) return; // closed by a listener
    this.#cursor = cursor ?? this.#cursor;
    if (gap) this.#emit("gap", gap);
    if (base64 != null) data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    if (data != null) this.#emit("message", { data, topic, cursor });
  }

  #target(query) {
    const url = new URL(this.#url);
    const all = { cursor: this.#cursor, session: this.#session, ...query };
    for (const name in all) if (all[name] != null) url.searchParams.set(name, all[name]);
    return url.href;
  }

  // At most one of each method at a time; a signal of its own for each, since what fetch adds to a
  // signal stays there.
  async #fetch(link, query, init) {
    const { signal } = link[init.method] = new AbortController();
    const answer = await (this.#options.fetch ?? fetch)(this.#target(query),
      { cache: "no-store", signal, ...init });
    if (answer.ok) return answer;
    const retry = answer.headers.get("retry-after"); // seconds or a date
    throw {
      code: 4000 + answer.status,
      message: (await answer.text()).trim(),
      after: Math.max(0, +retry ? retry * 1000 : Date.parse(retry) - now()) || 0,
    };
  }

  #ws(link) {
    return new Promise((resolve) => {
      const n = this.#unsent[0]?.n ?? (this.#count ?? 0) + 1;
      const socket = new this.#options.WebSocket(this.#target({ n }).replace("http", "ws"), "ringway.1");
      socket.onmessage = ({ data }) => {
        this.#alarm(); // the gateway pings, and the browser answers: nothing of it is seen here
        const frame = JSON.parse(data);
        // What was taken meanwhile has its number all the same: the frames are counted from n.
        for (this.#sent ??= n - 1; this.#sent < frame.up && !this.#send; this.#sent++) socket.send("");
        this.#send ??= (data) => socket.send(data);
        this.#take(link, frame);
      };
      socket.onerror = () => {}; // a close follows
      socket.onclose = ({ code, reason: message }) => resolve({ code, message });
      link.socket = { abort: () => {
        socket.onmessage = null;
        resolve();
        socket.close(this.#isOver ? 1000 : undefined);
      } };
    });
  }

  async #sse(link) {
    const { body } = await this.#fetch(link, { format: "json" },
      { headers: { accept: "text/event-stream" } });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (text + value).split("\n\n");
      text = events.pop(); // not all of it is here yet
      for (const event of events) {
        const field = (name) => event.match(`(?:^|\n)${name}: ?(.*)`)?.[1];
        const frame = { cursor: field("id"), ...JSON.parse(field("data") ?? "{}") };
        // superseded, ended
        if (/ded$/.test(field("event"))) return { code: frame.status ?? 4409, message: frame.reason };
        if (frame.cursor ?? frame.session) this.#take(link, frame); // a page of somebody else has none
      }
      if (this.#link == link && this.#since) this.#alarm(this.#options.idle);
    }
  }

  async #poll(link, isOver) {
    const { wait: most, idle } = this.#options;
    for (let wait = 0; ; wait = most) {
      if (wait) this.#alarm(wait * 1000 + idle);
      const answer = await this.#fetch(link, { wait }, {});
      const { cursor, messages, ...rest } = await answer.json();
      this.#take(link, rest);
      for (const message of messages) this.#take(link, message);
      this.#take(link, { cursor });
      if (isOver()) return { isOver: true };
    }
  }

  // ---- What the client says ----

  // Messages with numbers up to this one were taken.
  #settle(up) { while (this.#unsent[0]?.n <= up) this.#unsent.shift().resolve(); }

  // Sends what the open connection has not had yet.
  #flush() {
    if (this.#isOver || (this.#since && !this.#session)) {
      for (const { reject } of this.#unsent.splice(0)) reject(new Error("no session"));
    } else if (this.#send) {
      for (const message of this.#unsent) {
        message.n ??= ++this.#count;
        if (message.n > this.#sent) {
          this.#send(message.data);
          this.#sent = message.n;
        }
      }
    } else if (this.#since) {
      this.#post(this.#link);
    }
  }

  // One message after the other, each until it is taken.
  async #post(link) {
    if (!link || link.POST) return; // cut a moment ago, or one is on its way
    while (this.#link == link && this.#unsent[0]) {
      const [message] = this.#unsent;
      const { data: body } = message;
      const n = message.n ??= ++this.#count;
      try {
        await this.#fetch(link, { n }, {
          method: "POST",
          body,
          headers: body.trim ? {} : { "content-type": "application/octet-stream" },
        });
        this.#settle(n);
      } catch ({ code, message, after }) {
        if (this.#link != link) break;
        if (FINAL.test(code)) return this.#finish(code, message);
        await new Promise((resolve) => setTimeout(resolve, after || this.#options.minDelay));
      }
    }
    delete link.POST;
  }
}
