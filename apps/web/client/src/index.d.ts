// What @herz/client offers. docs/client-js.md says how it behaves.

/** What can go wrong; `HerzError.code`. Statuses of answers are no errors. */
export type ErrorCode =
  /** A signal was aborted (name: "AbortError"). */
  | 'aborted'
  /** No answer in time (name: "TimeoutError"). */
  | 'timeout'
  /** The connection was lost, and the call is not one that is sent again. */
  | 'disconnected'
  /** With `resume`: it was sent, and whether it was done is not known: its session or its answer is gone, or it cannot be continued. */
  | 'reset'
  /** The client was closed, by close() or because it cannot go on. */
  | 'closed'
  /** No transport reaches the server. */
  | 'unreachable'
  /** The server does not let this client in. */
  | 'denied'
  /** The server refused the call, the subscription or the publish; nothing was done. */
  | 'refused'
  /** The server broke the call off. */
  | 'cancelled'
  /** The content that the caller gives could not be read. */
  | 'body'
  /** A head over the server's frame limit, or an answer over maxBytes. */
  | 'too_large'
  /** Too much waits to be sent, or (slow: "close") to be read. */
  | 'busy'
  /** The server does not speak as docs/protocol.md says. */
  | 'protocol';

export class HerzError extends Error {
  constructor(code: ErrorCode, message: string, more?: { cause?: unknown; closeCode?: number; reason?: string; untouched?: boolean });
  readonly code: ErrorCode;
  /** With which the connection was closed, when it was closed with one. */
  readonly closeCode?: number;
  readonly reason?: string;
  /** True: the server has done nothing with the call, so it may be made again whatever it is. */
  readonly untouched: boolean;
}

export type Transport = 'webtransport' | 'websocket';
export type State = 'connecting' | 'open' | 'reconnecting' | 'closed';

/** An object, a Headers, a Map or a list of pairs; a list as a value stands for several of one name. */
export type HeadersGiven =
  | Record<string, string | number | boolean | readonly string[]>
  | Iterable<readonly [string, string | readonly string[]]>;

export interface ConnectOptions {
  /** SHA-256 of certificates that are trusted as they are: 64 hexadecimal digits, base64 as `herzd --dev` prints it, or
   * 32 bytes. In browsers for WebTransport only (where the certificate may be valid for 14 days at most); in Node for
   * wss, with the package `ws`. */
  certHashes?: readonly (string | Uint8Array | ArrayBuffer)[];
  /** Which transports may be used; all that the URL allows when absent. */
  transports?: readonly Transport[];
  /** Headers of every call. */
  headers?: HeadersGiven;
  /** Credentials, told to the server when the connection opens. */
  token?: string;
  /** Closes the client. */
  signal?: AbortSignal;
  /** How to connect again after a loss; false: not at all. Waits are random, up to a ceiling that doubles from `minMs`
   * (250) to `maxMs` (30000). */
  reconnect?: false | { minMs?: number; maxMs?: number };
  /** True: the session outlives its connection, as docs/sessions.md says. Calls and publishes with `ack` that are under way when a
   * connection is lost go on on the next, and each is done once. Nothing without `reconnect`. */
  resume?: boolean;
  /** Milliseconds for one attempt to connect (10000). */
  connectTimeout?: number;
  /** Milliseconds that WebTransport is tried alone (250). */
  headStartMs?: number;
  /** The same as client.onstate, from the start. */
  onstate?: (state: State, error?: HerzError) => void;
  /** A constructor to use in place of the platform's. */
  WebSocket?: new (url: string, protocols?: string | string[], ...more: any[]) => any;
  WebTransport?: new (url: string, options?: any) => any;
  /** Node: what the package `ws` takes as options, `ca` for instance. */
  webSocketOptions?: Record<string, unknown>;
}

export interface CallOptions {
  /** Over `headers` of connect(), name by name. */
  headers?: HeadersGiven;
  /** Absent or null: none. Bytes and text go as they are; a ReadableStream, an async iterable (of bytes or text) or a Blob
   * piece by piece; anything else as a msgpack value. */
  body?: unknown;
  signal?: AbortSignal | null;
  /** Milliseconds until the answer is there (of stream(): until it begins); 30000 when absent, 0: no limit. */
  timeout?: number;
  /** call() only: the largest answer that is collected, in bytes (64 MiB). */
  maxBytes?: number;
}

/** Headers of an answer, in their order. Names are compared without case. */
export class HeaderList implements Iterable<[string, string]> {
  private constructor();
  /** Several are joined with ", ". */
  get(name: string): string | null;
  getAll(name: string): string[];
  has(name: string): boolean;
  readonly size: number;
  [Symbol.iterator](): Iterator<[string, string]>;
  toJSON(): Record<string, string>;
}

export interface Answer<T = any> {
  readonly status: number;
  /** 200 to 299. */
  readonly ok: boolean;
  readonly headers: HeaderList;
  /** null: none; a string or a Uint8Array; a structured value as JavaScript has it: whole numbers that a number does not
   * hold are bigint, times Date, maps with keys that are no text Map, other extensions Ext. */
  readonly body: T;
  /** Text, bytes as UTF-8, a value as JSON. */
  text(): string;
  /** A value as it is; text or bytes parsed as JSON. */
  json(): any;
}

export interface StreamedAnswer {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: HeaderList;
  readonly body: ReadableStream<Uint8Array>;
  /** What came behind the content; resolves when it has ended. */
  readonly trailers: Promise<HeaderList>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json(): Promise<any>;
}

/** Where an event stands in its topic; 0 and 0 in one without history. */
export interface Position {
  readonly epoch: number | bigint;
  readonly offset: number;
}

export interface HubEvent<T = any> extends Position {
  readonly type: 'event';
  readonly topic: string;
  readonly headers: HeaderList;
  /** As that of an answer. */
  readonly body: T;
}

/** Here events are missing. */
export interface Gap extends Position {
  readonly type: 'gap';
  /** Null: of several topics, or nobody knows. */
  readonly topic: string | null;
  /** The first that is missing, unless `epoch` is 0. */
  readonly offset: number;
  /** How many; 0: nobody knows. */
  readonly missed: number;
}

export interface SubscribeOptions {
  /** Begin with this offset of each topic; 0: with all there is. Absent, and without `ago`: with what is published from now on. */
  from?: number;
  /** With `from`: the topic's epoch. */
  epoch?: number | bigint;
  /** Begin with what was published so many milliseconds ago. */
  ago?: number;
  /** How events travel (docs/hub.md, "Delivery classes"): "ordered" when absent. */
  class?: 'ordered' | 'stream' | 'datagram' | 'latest';
  /** What happens when events come faster than they are read. "pause" when absent: the server waits; of classes that lose
   * events ("datagram", and "stream" with `deadline`) "oldest". */
  slow?: 'oldest' | 'newest' | 'latest' | 'pause' | 'close';
  /** With "stream": milliseconds after which an event that has not arrived is given up. */
  deadline?: number;
  /** Events, and bytes, that may wait here to be read (1024, 16 MiB). */
  buffer?: number;
  bufferBytes?: number;
  /** What others see this subscriber as, on a topic that has presence (docs/presence.md); at most 128 bytes. */
  as?: string;
  /** True: what is published while there is no connection is not asked for. */
  liveOnly?: boolean;
  /** Ends it; who reads it gets "aborted". */
  signal?: AbortSignal | null;
}

/** Read it with `for await`; leaving the loop ends it. An error is thrown once: "refused", "aborted", "busy" (slow: "close"),
 * "closed" (the client, behind all that has come). */
export interface Subscription<T = any> extends AsyncIterableIterator<HubEvent<T> | Gap> {
  readonly pattern: string;
  /** Resolves when the server has it for the first time; rejects when it ends before. */
  readonly ready: Promise<{ epoch: number | bigint; mark: number | bigint }>;
  next(): Promise<IteratorResult<HubEvent<T> | Gap, undefined>>;
  return(): Promise<IteratorResult<HubEvent<T> | Gap, undefined>>;
  /** Ends it; what was not read is dropped. */
  close(): void;
}

/** Who is on a topic. */
export interface Member {
  readonly id: number;
  /** What it calls itself. */
  readonly as: string | null;
  /** The subject of its certificate, if that was verified. */
  readonly name: string | null;
}

/** The body of events of "$presence/TOPIC" (docs/presence.md). */
export interface Presence {
  readonly version: number;
  readonly count: number;
  /** True: `join` is the whole list. Without lists: there are too many. */
  readonly all?: boolean;
  readonly join?: readonly Member[];
  readonly leave?: readonly number[];
}

export interface PublishOptions {
  headers?: HeadersGiven;
  /** Wait until the server has it. */
  ack?: boolean;
  signal?: AbortSignal | null;
  /** Milliseconds until it is acknowledged, or sent; 30000 when absent, 0: no limit. */
  timeout?: number;
}

export interface Client {
  readonly state: State;
  /** Null while there is no connection. */
  readonly transport: Transport | null;
  /** Told every change of `state`, and every further attempt that failed; `error` says why. */
  onstate: ((state: State, error?: HerzError) => void) | null;
  /** Resolves with the answer when all of it is there, whatever its status. Rejects with a HerzError; a TypeError or
   * RangeError for arguments that cannot be sent. */
  call<T = any>(method: string, path: string, options?: CallOptions): Promise<Answer<T>>;
  /** Resolves when the answer begins. Who does not read its body stops the server. */
  stream(method: string, path: string, options?: CallOptions): Promise<StreamedAnswer>;
  /** Events of all topics that the pattern meets. It begins with this call, or with the next connection, and goes on by itself
   * where it was whenever the connection is made again. Throws a TypeError or RangeError for options that cannot be. */
  subscribe<T = any>(pattern: string, options?: SubscribeOptions): Subscription<T>;
  /** With `ack` it resolves when the server has the event; rejects with "refused" when it does not take it, "disconnected" (with
   * `resume`: "reset") when that is not known. */
  publish(topic: string, body: unknown, options: PublishOptions & { ack: true }): Promise<Position>;
  /** Resolves when it was sent: whether it arrives is not known. */
  publish(topic: string, body?: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Ends the connection for good; calls under way fail with code "closed". code: 0 is a clean end; an application's own are
   * 100 to 999 (those below mean to a server what its own mean). */
  close(code?: number, reason?: string): void;
}

/** url: https:// (WebTransport and WebSocket race), http://, ws://, wss:// (WebSocket), wt:// (WebTransport). Without a path
 * it is /herz. Resolves when a connection is open; rejects with a HerzError when none comes up. */
export function connect(url: string | URL, options?: ConnectOptions): Promise<Client>;

/** A msgpack extension. */
export class Ext {
  constructor(type: number, data: Uint8Array);
  readonly type: number;
  readonly data: Uint8Array;
}
