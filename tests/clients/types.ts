// What the compiler shall take of bindings/javascript-client, and what it shall not.
import { Ringway, type Carrier, type RingwayOptions } from "ringway-client";

const options: RingwayOptions = { carriers: ["ws", "poll"], cursor: null, fetch: (url, init) => fetch(url, init) };
const client = new Ringway(new URL("http://127.0.0.1/"), options);
client.addEventListener("message", function (event) {
  const text: string = typeof event.data === "string" ? event.data : new TextDecoder().decode(event.data);
  const topic: string | undefined = event.topic;
  this.close();
  console.log(text, topic, event.cursor.length);
});
client.addEventListener("gap", ({ reason, to }) => console.log(reason.length, to.length));
client.addEventListener("state", ({ state, delay = 0 }) => console.log(state === "waiting", delay + 1));
client.addEventListener("close", ({ code, reason }) => console.log(code + 1, reason.length), { once: true });
const carrier: Carrier | undefined = client.carrier;
console.log(carrier, client.cursor?.length, client.state === "closed");
new Ringway("/", { WebSocket, session: client.session });
client.send("text").then(() => client.send(new Uint8Array(2))).catch((error: Error) => console.log(error.message));

// @ts-expect-error: no such carrier
new Ringway("/", { carriers: ["pigeon"] });
// @ts-expect-error: no such member
client.addEventListener("open", (event) => event.data);
// @ts-expect-error: it is not written to
client.cursor = "x";
