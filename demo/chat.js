// The page of the chat.  One Room; three ways to be connected to it.  Texts from others only ever
// become text nodes.  What the footer counts comes from a topic, by the client for web pages.
import { Ringway } from "./ringway.js";

const CARRIERS = { ws: "WebSocket", sse: "event stream", poll: "long poll" };
const SILENCE = 40000; // ms; the application says something every 15 s
const KEPT = 400; // entries in the log

const $ = (id) => document.getElementById(id);
const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

const me = random(); // only this page and the application know it
let who = 0; // my number, which everybody knows
let since = 0; // the last event that was shown
let people = new Map();
const unsaid = new Map(); // key -> text: sent and not yet seen in the room

// ---- Connections -----------------------------------------------------------------------------

// A connection has start(), stop() and say(message), and calls opened(), heard(event) and
// lost() of the link; after lost() or stop() it is never used again.

class WsConnection {
  constructor(link) { this.link = link; }

  start() {
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    this.socket = new WebSocket(scheme + location.host + "/chat/ws?" + query());
    this.socket.onmessage = (message) => this.link.heard(this, JSON.parse(message.data));
    this.socket.onclose = () => this.link.lost(this);
  }

  stop() {
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close(1000);
  }

  async say(message) {
    this.socket.send(JSON.stringify(message));
  }
}

class SseConnection {
  constructor(link) { this.link = link; this.failures = 0; }

  start() {
    this.source = new EventSource("/chat/events?" + query());
    this.source.onmessage = (message) => {
      this.failures = 0;
      this.link.heard(this, JSON.parse(message.data));
    };
    // The browser tries once by itself, and shows Last-Event-ID; then it is our turn.
    this.source.onerror = () => {
      this.failures += 1;
      if (this.source.readyState === EventSource.CLOSED || this.failures > 1) {
        this.source.close();
        this.link.lost(this);
      } else {
        this.link.paused(this);
      }
    };
  }

  stop() {
    this.source.onmessage = this.source.onerror = null;
    this.source.close();
  }

  say(message) { return post(message); }
}

class PollConnection {
  constructor(link) { this.link = link; }

  async start() {
    this.abort = new AbortController();
    try {
      for (;;) {
        const answer = await fetch("/chat/poll?" + query(),
          { signal: this.abort.signal, cache: "no-store" });
        if (!answer.ok) throw new Error("status " + answer.status);
        this.link.heard(this, await answer.json());
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.link.lost(this);
    }
  }

  stop() { this.abort.abort(); }

  say(message) { return post(message); }
}

const KINDS = { ws: WsConnection, sse: SseConnection, poll: PollConnection };

function query() {
  return new URLSearchParams({ id: me, name: $("name").value.trim(), since: String(since) });
}

async function post(message) {
  const answer = await fetch("/chat/say", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ id: me, ...message }),
  });
  if (answer.ok) return;
  // 5xx and 409: the page is just connecting again; the message is repeated.
  if (answer.status >= 500 || answer.status === 409) throw new Error("status " + answer.status);
  const { error } = await answer.json().catch(() => ({ error: "Not taken." }));
  refused(message.key, error);
}

// Keeps one connection; after a loss another, with a longer wait each time, and a random one so
// that many pages do not come back at once.
const link = {
  carrier: "ws",
  connection: null,
  attempt: 0,
  timer: 0,
  watch: 0,

  connect() {
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    if (this.connection) this.connection.stop();
    show("connecting", "Connecting by " + CARRIERS[this.carrier] + "…");
    this.connection = new KINDS[this.carrier](this);
    this.watchdog();
    this.connection.start();
  },

  heard(connection, event) {
    if (connection !== this.connection) return;
    this.watchdog();
    if (event.kind === "hello") {
      this.attempt = 0;
      show("open", "Connected by " + CARRIERS[this.carrier]);
      hello(event);
    } else if (event.kind === "refused") {
      refused(null, event.text);
    } else if (event.n && since && event.n > since + 1) {
      this.connect(); // something is missing: the next hello has it
    } else if (event.n) {
      happened(event, true);
    }
  },

  paused(connection) {
    if (connection === this.connection) show("connecting", "Connecting again…");
  },

  lost(connection) {
    if (connection !== this.connection) return;
    this.connection = null;
    clearTimeout(this.watch);
    const most = Math.min(30000, 500 * 2 ** this.attempt);
    const wait = most * (0.5 + Math.random() / 2);
    this.attempt += 1;
    show("waiting", "Disconnected. Next try in " + Math.ceil(wait / 1000) + " s");
    this.timer = setTimeout(() => this.connect(), wait);
  },

  hurry() {
    if (!this.connection) this.connect();
  },

  watchdog() {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.connect(), SILENCE);
  },
};

// ---- The room --------------------------------------------------------------------------------

function hello(event) {
  who = event.who;
  for (const one of event.events) happened(one, false);
  since = Math.max(since, event.last);
  people = new Map(event.people.map((person) => [person.who, person]));
  showPeople();
  if (!$("name").value && document.activeElement !== $("name")) $("name").placeholder = event.name;
  for (const [key, text] of unsaid) deliver(key, text);
}

function happened(event, apply) {
  if (event.n <= since) return;
  since = event.n;
  if (event.kind === "said") {
    unsaid.delete(event.key);
    showSaid(event);
  } else {
    showNote(event);
  }
  if (!apply) return;
  if (event.kind === "left") people.delete(event.who);
  else if (event.kind !== "said") people.set(event.who, event);
  showPeople();
}

function say(text) {
  const key = random();
  unsaid.set(key, text);
  deliver(key, text);
}

function deliver(key, text) {
  const connection = link.connection;
  if (!connection) return; // the next hello sends it
  Promise.resolve(connection.say({ key, text })).catch(() => {
    if (connection === link.connection && !(connection instanceof WsConnection)) {
      setTimeout(() => unsaid.has(key) && deliver(key, text), 1000 + Math.random() * 1000);
    }
  });
}

function refused(key, text) {
  // A WebSocket answers in order, so it is the oldest that was not taken.
  const which = key || unsaid.keys().next().value;
  const said = unsaid.get(which);
  unsaid.delete(which);
  if (said && !$("text").value) $("text").value = said;
  notice(text || "The message was not taken.");
}

// ---- What one sees ---------------------------------------------------------------------------

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function show(state, text) {
  $("state").dataset.state = state;
  $("state").dataset.carrier = link.carrier;
  $("state").textContent = text;
  $("send").disabled = state !== "open";
}

function showSaid(event) {
  const item = element("li", event.who === who ? "said mine" : "said");
  const meta = element("p", "meta");
  const time = element("time", "", new Date(event.at).toLocaleTimeString([],
    { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(event.at).toISOString();
  meta.append(element("span", "who", event.name), time);
  item.append(meta, element("p", "text", event.text));
  append(item, event);
}

function showNote(event) {
  const renamed = event.kind === "changed" && event.before !== event.name;
  if (event.kind === "changed" && !renamed) return; // another carrier: the list shows it
  const text = renamed ? event.before + " is now " + event.name
    : event.name + (event.kind === "left" ? " left" : " came in");
  append(element("li", "note", text), event);
}

function append(item, event) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  item.dataset.n = event.n;
  log.append(item);
  while (log.childElementCount > KEPT) log.firstElementChild.remove();
  if (atEnd || event.who === who) log.scrollTop = log.scrollHeight;
  else $("newer").hidden = false;
}

function showPeople() {
  const list = [...people.values()].sort((a, b) => a.name.localeCompare(b.name) || a.who - b.who);
  $("count").textContent = String(list.length);
  $("people").replaceChildren(...list.map((person) => {
    const item = element("li", person.who === who ? "me" : "");
    item.dataset.carrier = person.carrier;
    item.append(element("span", "who", person.name + (person.who === who ? " (you)" : "")),
      element("span", "by", CARRIERS[person.carrier] || ""));
    return item;
  }));
}

let noticeTimer = 0;
function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $("notice").hidden = true; }, 5000);
}

// The gateway alone serves a topic: no channel of the application is behind it.
let live;
function watch(carrier) {
  live?.close();
  live = new Ringway("/live", { carriers: [carrier] });
  live.addEventListener("message", ({ data }) => {
    const { people, said, since } = JSON.parse(data);
    const time = new Date(since).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    $("live").textContent = `${said} messages since ${time}, ${people} in the room.`;
    $("live").dataset.carrier = live.carrier;
  });
}

// ---- What one does ---------------------------------------------------------------------------

function remembered(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key) || "";
  } catch (error) {
    return ""; // storage is not allowed here
  }
}

function choose(carrier) {
  link.carrier = carrier;
  link.attempt = 0;
  remembered("carrier", carrier);
  link.connect();
  watch(carrier);
}

for (const carrier of Object.keys(KINDS)) {
  $("carrier-" + carrier).addEventListener("change", () => choose(carrier));
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || $("send").disabled) return;
  $("text").value = "";
  $("text").style.height = "";
  say(text);
});

$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("form").requestSubmit();
  }
});

$("text").addEventListener("input", () => {
  $("text").style.height = "";
  $("text").style.height = $("text").scrollHeight + 2 + "px";
});

$("name").addEventListener("change", () => {
  remembered("name", $("name").value.trim());
  link.connect(); // the application learns the name when the page connects
});

$("newer").addEventListener("click", () => { $("log").scrollTop = $("log").scrollHeight; });
$("log").addEventListener("scroll", () => {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 60) $("newer").hidden = true;
});

addEventListener("online", () => link.hurry());
document.addEventListener("visibilitychange", () => { if (!document.hidden) link.hurry(); });

$("name").value = remembered("name").slice(0, 24);
const asked = new URLSearchParams(location.search).get("carrier") || remembered("carrier");
if (KINDS[asked]) {
  link.carrier = asked;
  $("carrier-" + asked).checked = true;
}
if (matchMedia("(max-width: 46rem)").matches) document.querySelector("details").open = false;
link.connect();
watch(link.carrier);
