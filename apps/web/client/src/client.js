// A client: one connection at a time, made again when it is lost, and the calls that wait for it. Not here: one attempt
// to connect (race.js), one connection (session.js).
import { Call } from './call.js';
import { HerzError } from './errors.js';
import { Feed } from './feed.js';
import { headerPairs } from './headers.js';
import { MuxSession, PROTOCOL } from './mux.js';
import { Publish } from './publish.js';
import { Memory, race } from './race.js';
import { Lasting } from './resume.js';
import { StreamSession } from './streams.js';
import { hashOf, placeOf } from './url.js';

const memory = new Memory();
const STABLE_MS = 10_000; // a connection that lived as long ends a series of attempts
const WAITING_MAX = 16384; // calls without a connection

const clock = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (t) => clearTimeout(t),
};

/** Full jitter: anything between nothing and a ceiling that doubles, so that clients which were cut off together do
 * not come back together. */
export function backoff(attempt, { minMs, maxMs }, random) {
  return random() * Math.min(maxMs, minMs * 2 ** attempt);
}

const defaults = { reconnect: { minMs: 250, maxMs: 30_000 }, timeoutMs: 10_000 };

export class Client {
  #place;
  #options;
  #env;
  #random;
  #reconnect;
  #headers;
  #hashes;
  #lasting; // undefined: a session ends with its connection
  #session;
  #leaving = new Set();
  #waiting = new Set(); // calls without a connection, in their order
  #returned = []; // calls that go back to its front
  #calls = new Set();
  #feeds = new Set(); // subscriptions outlive connections
  #publishes = new Set();
  #unsent = new Set(); // of them
  #attempt = 0;
  #openedAt = 0;
  #timer;
  #state = 'connecting';

  /** Called with (state, error) when `state` has changed, and for every further attempt that failed. */
  onstate = null;

  constructor(url, options = {}) {
    this.#options = options;
    this.#env = options.env ?? clock;
    this.#random = options.random ?? Math.random;
    this.#reconnect = options.reconnect === false ? undefined : { ...defaults.reconnect, ...options.reconnect };
    this.#lasting = options.resume && this.#reconnect ? new Lasting() : undefined;
    this.#headers = headerPairs(options.headers);
    this.#hashes = (options.certHashes ?? []).map(hashOf);
    this.#place = placeOf(url, options.transports);
    this.#place.transports = this.#place.transports.filter((t) => this.#has(t));
    if (this.#place.transports.length === 0) {
      throw new HerzError('unreachable', `${url}: neither WebTransport nor WebSocket is here that could go there`);
    }
    if (options.onstate) this.onstate = options.onstate;
    if (options.signal) this.#follow(options.signal);
  }

  /** "connecting", "open", "reconnecting" or "closed". */
  get state() {
    return this.#state;
  }

  /** "webtransport", "websocket", or null while there is no connection. */
  get transport() {
    return this.#session?.transport ?? null;
  }

  /** Resolves with { status, headers, body } when all of the answer is there. */
  call(method, path, options = {}) {
    return this.#begin(method, path, options, true);
  }

  /** Resolves when the answer begins; its body is a ReadableStream of bytes. */
  stream(method, path, options = {}) {
    return this.#begin(method, path, options, false);
  }

  /** A subscription: an async iterator of events and gaps, which goes on where it was on each further connection. */
  subscribe(pattern, options = {}) {
    if (this.#state === 'closed') throw new HerzError('closed', `subscription ${pattern}: the client is closed`, { untouched: true });
    const feed = new Feed(pattern, options, (f) => this.#feeds.delete(f));
    if (feed.ended) return feed.outside;
    this.#feeds.add(feed);
    if (this.#session?.usable) feed.begin(this.#session);
    return feed.outside;
  }

  /** Resolves when the event was sent; with `ack`, with { epoch, offset } when the server has it. */
  publish(topic, body, options = {}) {
    let publish;
    try {
      if (this.#state === 'closed') throw new HerzError('closed', `publish ${topic}: the client is closed`, { untouched: true });
      if (this.#publishes.size >= WAITING_MAX) throw new HerzError('busy', `publish ${topic}: ${WAITING_MAX} wait already`, { untouched: true });
      publish = new Publish({ topic, body, options, env: this.#env, over: (p, again) => this.#published(p, again) });
    } catch (error) {
      return Promise.reject(error);
    }
    if (!publish.done) {
      this.#publishes.add(publish);
      this.#unsent.add(publish);
      this.#send();
    }
    return publish.promise;
  }

  /** Ends the connection for good. code: 0, or 100 to 999 of an application's own; told to the server with the reason. */
  close(code = 0, reason = '') {
    if (!Number.isInteger(code) || code < 0 || code > 999) throw new RangeError(`close: the code ${code} is not from 0 to 999`);
    if (this.#state === 'closed') return;
    const error = new HerzError('closed', `the client was closed${reason ? `: ${reason}` : ''}`, { closeCode: code, reason });
    this.#finish(error, code, reason);
  }

  /** The first connection: connect() waits for it. */
  async open() {
    try {
      this.#adopt(await this.#dial());
    } catch (error) {
      if (this.#state !== 'closed') this.#finish(error, 0, '');
      throw error;
    }
    return this;
  }

  // ---- connections ----

  #has(transport) {
    if (transport === 'websocket') return this.#options.openSocket !== undefined || this.#webSocket() !== undefined;
    return this.#webTransport() !== undefined;
  }

  #webSocket() {
    return this.#options.WebSocket ?? globalThis.WebSocket;
  }

  #webTransport() {
    return this.#options.WebTransport ?? globalThis.WebTransport;
  }

  #make(transport, greet) {
    const events = {
      room: () => this.#flush(),
      leaving: () => this.#left(session),
      ended: (error) => this.#ended(session, error),
    };
    const lasting = this.#lasting;
    const common = { env: this.#env, token: this.#options.token, events, lasting, greet: lasting && greet };
    const session = transport === 'websocket'
      ? new MuxSession(this.#socket(this.#place.websocket), common)
      : new StreamSession(this.#transportTo(this.#place.webtransport), common);
    return session;
  }

  #socket(url) {
    if (this.#options.openSocket) return this.#options.openSocket(url, PROTOCOL, this.#hashes);
    return new (this.#webSocket())(url, PROTOCOL);
  }

  #transportTo(url) {
    const serverCertificateHashes = this.#hashes.map((value) => ({ algorithm: 'sha-256', value }));
    return new (this.#webTransport())(url, serverCertificateHashes.length > 0 ? { serverCertificateHashes } : {});
  }

  async #dial() {
    const session = await race({
      place: this.#place,
      make: (t, greet) => this.#make(t, greet),
      env: this.#env,
      memory: this.#options.memory ?? memory,
      headStartMs: this.#options.headStartMs,
      timeoutMs: this.#options.connectTimeout ?? defaults.timeoutMs,
    });
    if (this.#state !== 'closed') return session;
    session.close(0, '');
    throw new HerzError('closed', 'the client was closed while it connected');
  }

  #adopt(session) {
    this.#session = session;
    this.#openedAt = this.#env.now();
    // It may have ended while the race was told of it.
    if (session.over !== undefined) return this.#lost(session.over);
    this.#set('open');
    if (session.leaving) this.#left(session);
    // What the old connection of this session still waits for comes here.
    for (const old of this.#leaving) if (old.ids === session.ids && old !== session) old.leave();
    this.#unsent = new Set([...this.#publishes].filter((p) => this.#unsent.has(p))); // in their order again
    if (session.usable) for (const feed of this.#feeds) feed.begin(session);
    this.#send();
    return this.#flush();
  }

  // The server asked us to go; what is under way may end there.
  #left(session) {
    if (session !== this.#session || this.#reconnect === undefined) return;
    this.#leaving.add(session);
    for (const feed of this.#feeds) feed.leave(); // they go on elsewhere
    this.#lost(new HerzError('disconnected', `${session.transport}: the server goes away`));
  }

  #ended(session, error) {
    this.#leaving.delete(session);
    if (session === this.#session) this.#lost(error);
  }

  #lost(error) {
    this.#session = undefined;
    if (this.#state === 'closed') return;
    if (this.#reconnect === undefined || error.code === 'denied') return this.#finish(error, 0, '');
    if (this.#env.now() - this.#openedAt >= STABLE_MS) this.#attempt = 0;
    return this.#later(error);
  }

  #later(error) {
    const wait = backoff(this.#attempt++, this.#reconnect, this.#random);
    this.#timer = this.#env.setTimeout(this.#again, wait);
    globalThis.addEventListener?.('online', this.#again);
    this.#set('reconnecting', error);
  }

  #rest() {
    this.#env.clearTimeout(this.#timer);
    globalThis.removeEventListener?.('online', this.#again);
  }

  // The wait is over, or the browser has a network again.
  #again = async () => {
    this.#rest();
    try {
      this.#adopt(await this.#dial());
    } catch (error) {
      if (this.#state === 'closed') return;
      if (error.code === 'denied') this.#finish(error, 0, '');
      else this.#later(error);
    }
  };

  #finish(error, code, reason) {
    this.#rest();
    this.#unfollow?.();
    const sessions = [this.#session, ...this.#leaving].filter((s) => s !== undefined);
    this.#session = undefined;
    this.#state = 'closed';
    for (const session of sessions) session.close(code, reason);
    this.#waiting.clear();
    const closed = error.code === 'closed' ? error : new HerzError('closed', error.message, { cause: error });
    for (const call of [...this.#calls]) call.failed(closed);
    for (const feed of [...this.#feeds]) feed.end(closed);
    for (const publish of [...this.#publishes]) publish.lost(closed);
    this.#tell('closed', error);
  }

  #unfollow;
  #follow(signal) {
    const stop = () => this.#finish(new HerzError('aborted', 'the client was aborted', { cause: signal.reason }), 0, '');
    if (signal.aborted) throw new HerzError('aborted', 'connect: aborted', { cause: signal.reason });
    signal.addEventListener('abort', stop, { once: true });
    this.#unfollow = () => signal.removeEventListener('abort', stop);
  }

  #set(state, error) {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#tell(state, error);
  }

  #tell(state, error) {
    try {
      this.onstate?.(state, error);
    } catch (thrown) {
      // A handler's error is its own: it is reported as any other, and must not break the connection.
      if (typeof reportError === 'function') reportError(thrown);
      else queueMicrotask(() => { throw thrown; });
    }
  }

  // ---- calls ----

  #begin(method, path, options, whole) {
    let call;
    try {
      if (this.#state === 'closed') throw new HerzError('closed', `${method} ${path}: the client is closed`, { untouched: true });
      if (this.#waiting.size >= WAITING_MAX) throw new HerzError('busy', `${method} ${path}: ${WAITING_MAX} calls wait already`, { untouched: true });
      call = new Call({ method, path, options, defaults: this.#headers, whole, env: this.#env,
        over: (c, again) => this.#over(c, again) });
    } catch (error) {
      return Promise.reject(error);
    }
    if (!call.done) {
      this.#calls.add(call);
      this.#waiting.add(call);
      this.#flush();
    }
    return call.promise;
  }

  #over(call, again) {
    if (!again) {
      this.#calls.delete(call);
      this.#waiting.delete(call);
    } else if (this.#returned.push(call) === 1) {
      queueMicrotask(() => {
        this.#waiting = new Set([...this.#returned, ...this.#waiting]);
        this.#returned = [];
        this.#flush();
      });
    }
  }

  #published(publish, again) {
    if (again) {
      this.#unsent.add(publish);
    } else {
      this.#publishes.delete(publish);
      this.#unsent.delete(publish);
    }
    if (this.#unsent.size > 0) queueMicrotask(() => this.#send());
  }

  #send() {
    for (const publish of this.#unsent) {
      const session = this.#session;
      if (!session?.usable || (session.ids.full && publish.place === undefined)) return;
      this.#unsent.delete(publish);
      if (isForsaken(publish, session)) publish.forsaken();
      else publish.send(session);
    }
  }

  // Sending one may end it, which comes here again.
  #flush() {
    for (const call of this.#waiting) {
      if (!this.#session?.hasRoom) return;
      this.#waiting.delete(call);
      if (isForsaken(call, this.#session)) call.forsaken();
      if (call.done) continue;
      call.carrier = this.#session.open(call);
      call.carrier.start();
    }
  }
}

// It was sent in a session that is not this connection's.
const isForsaken = ({ place }, { ids }) => place !== undefined && place.ids !== ids;

/** Connects, and resolves with the client once it is open. index.d.ts has the options. */
export async function connect(url, options) {
  return new Client(url, options).open();
}
