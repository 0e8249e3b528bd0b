// One client of bindings/javascript-client: node follow.mjs URL CARRIER[,CARRIER].  Each event is a
// line of JSON; each line of its input is sent, and `taken` is said when it was; the end of the input
// is the end of the client.
import { createInterface } from "node:readline";
import WebSocket from "ws";
import { Ringway } from "../../bindings/javascript-client/ringway.js";

const [url, carriers] = process.argv.slice(2);
const client = new Ringway(url, {
  WebSocket, carriers: carriers.split(","), minDelay: 50, maxDelay: 200, wait: 5,
});
const say = (event) => console.log(JSON.stringify(event));
client.addEventListener("message", ({ type, data, topic, cursor }) => {
  say(typeof data == "string" ? { type, data, topic, cursor } : { type, bytes: [...data], topic, cursor });
});
client.addEventListener("gap", ({ type, from, to, reason }) => say({ type, from, to, reason }));
client.addEventListener("open", ({ type, carrier }) => say({ type, carrier }));
client.addEventListener("state", ({ type, state }) => say({ type, state }));
client.addEventListener("close", ({ type, code, reason }) => {
  say({ type, code, reason });
  process.stdin.destroy();
});
const input = createInterface({ input: process.stdin });
input.on("line", async (text) => {
  await client.send(text);
  say({ type: "taken", text });
});
input.on("close", () => client.close());
