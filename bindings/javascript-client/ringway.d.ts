/** How a client is connected: WebSocket, event stream (SSE) or long poll. */
export type Carrier = "ws" | "sse" | "poll";

/**
 * - `connecting`: a carrier is being tried
 * - `open`: messages arrive
 * - `waiting`: the pause before the next try
 * - `closed`: for good
 */
export type State = "connecting" | "open" | "waiting" | "closed";

export interface RingwayOptions {
  /** Which carriers may be used, the best first. Default: `["ws", "sse", "poll"]`. */
  carriers?: Carrier[];
  /** Where an earlier client had got to: what came since is delivered first. */
  cursor?: string | null;
  /** The session of an earlier client, as its `session` was, to be taken over with its cursor. */
  session?: string | null;
  /** Instead of the global WebSocket; Node before 22 has none, the package `ws` is one. */
  WebSocket?: new (url: string, protocol: string) => unknown;
  /** Instead of the global fetch, for example one that sets headers. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The longest first pause before another try, in ms; each is random, and they double. Default: 1000. */
  minDelay?: number;
  /** The longest of all pauses, in ms. Default: 30000. */
  maxDelay?: number;
  /** How long a carrier may take to open, in ms. Default: 10000. */
  timeout?: number;
  /** An event stream without a sign of life for so long is given up, in ms; a poll after so long
   * beyond `wait`. The gateway writes a comment every 25 s. Default: 60000. */
  idle?: number;
  /** A connection that lasted for so long ends the doubling of pauses, in ms. Default: 5000. */
  stable?: number;
  /** After so long a better carrier that had failed is tried again, in ms. Default: 300000. */
  better?: number;
  /** How long the gateway may hold a poll, in seconds, at most 60. Default: 25. */
  wait?: number;
}

/** Something was published. */
export interface RingwayMessageEvent extends Event {
  /** Text, or bytes. */
  readonly data: string | Uint8Array;
  /** Where it was published; undefined: the application sent it to this session. */
  readonly topic?: string;
  /** The client's place in the stream with this message. */
  readonly cursor: string;
}

/** At this place of the stream something is missing, and will not come. */
export interface RingwayGapEvent extends Event {
  /** Of which topic; left out: of any. */
  readonly topic?: string;
  /** The last position that is certain; left out: unknown. */
  readonly from?: string;
  /** The last position that may be missing. */
  readonly to: string;
  /** Why; docs/protocol/2-client.md lists the words. */
  readonly reason: string;
  /** How many messages, where that is known. */
  readonly count?: number;
}

/** A carrier is open, for the first time or again. */
export interface RingwayOpenEvent extends Event {
  readonly carrier: Carrier;
}

/** The state is another one. */
export interface RingwayStateEvent extends Event {
  readonly state: State;
  /** Which one, while `connecting` and `open`. */
  readonly carrier?: Carrier;
  /** Milliseconds to the next try, while `waiting`. */
  readonly delay?: number;
}

/** It is over; there is no further try. */
export interface RingwayCloseEvent extends Event {
  /** A WebSocket close code; 4000 + the status, where HTTP ended it; 1000 after `close()`. */
  readonly code: number;
  readonly reason: string;
}

export interface RingwayEventMap {
  message: RingwayMessageEvent;
  gap: RingwayGapEvent;
  open: RingwayOpenEvent;
  state: RingwayStateEvent;
  close: RingwayCloseEvent;
}

/** One stream of messages that survives the connections that carry it. */
export class Ringway extends EventTarget {
  /**
   * Connects, in the next microtask, so that listeners may be added first.
   *
   * @param url of a route to a topic, or to a service with sessions, `http:`, `https:`, `ws:` or `wss:`; in a browser it may be relative
   * @throws TypeError for an address that is none, or if there is no carrier that can be used here
   */
  constructor(url: string | URL, options?: RingwayOptions);
  readonly state: State;
  /** The one that is open, or is being tried; undefined while waiting and closed. */
  readonly carrier: Carrier | undefined;
  /** The place in the stream, to be shown to the next client; undefined before the first. */
  readonly cursor: string | undefined;
  /** The token of the session; undefined before the first connection, and on a topic route. */
  readonly session: string | undefined;
  /**
   * Says something to the application, in the order of the calls, once, whatever happens to
   * connections meanwhile.
   *
   * @returns when the application has taken it
   * @throws Error, when the route has no session, or this client is closed before that
   */
  send(data: string | ArrayBuffer | Uint8Array): Promise<void>;
  /** Ends it for good, and its session; a `close` event with code 1000 follows at once. */
  close(): void;

  addEventListener<Type extends keyof RingwayEventMap>(
    type: Type,
    listener: (this: Ringway, event: RingwayEventMap[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof RingwayEventMap>(
    type: Type,
    listener: (this: Ringway, event: RingwayEventMap[Type]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
