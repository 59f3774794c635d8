// One connection, whatever carries it: HELLO and WELCOME, signs of life, the calls under way, why it ended. Not here:
// how frames travel (mux.js, streams.js), when to connect again (client.js).
import * as e from './envelope.js';
import { HerzError, WireError } from './errors.js';
import { frame } from './frame.js';
import { CALLS_MAX, Ids } from './resume.js';

export const AGENT = 'herz-js/0.1';
export const FRAME_MAX = 1 << 20; // what is accepted
export const WINDOW = 1 << 20; // content of one call that may be on its way here, unread
const PING_MS = 20_000; // when the server does not say
const PONG_MS = 10_000;
const GRACE_MAX_MS = 600_000;

const wireCodes = { magic: e.WIRE.frame, version: e.WIRE.version, too_big: e.WIRE.tooLarge, checksum: e.WIRE.frame };
// Codes of a connection's end (WebSocket adds 4000).
export const CLOSE = { none: 0, shutdown: 1, idle: 2, protocol: 3, denied: 6 };

/** The beginning of a text, of so many bytes at most; never cut inside a character. */
export function cutTo(bytes, text) {
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(bytes)).read);
}

export class Session {
  /** env: {now, setTimeout, clearTimeout}. events: {room(), leaving(), ended(error)}. lasting: a Lasting, undefined when the
   * session ends with its connection. greet(say): it is open; HELLO leaves when say() is called. */
  constructor({ transport, env, token, events, lasting, greet = (say) => say() }) {
    this.transport = transport;
    this.env = env;
    this.token = token;
    this.events = events;
    this.lasting = lasting;
    this.greet = () => greet(() => this.over ?? this.send(this.hello()));
    this.live = new Map(); // id to the carrier of a call
    this.named = new Map(); // id to a subscription, or a publish that waits for its ACK
    this.ids = new Ids();
    this.calls = 0; // that the peer takes at once; 0 until WELCOME
    this.peerFrame = FRAME_MAX;
    this.peerCredit = 262144;
    this.over = undefined; // HerzError, once it is
    this.leaving = false;
    this.ready = new Promise((resolve, reject) => {
      this.becameReady = resolve;
      this.neverReady = reject;
    });
    this.ready.catch(() => {});
  }

  get usable() {
    return this.calls > 0 && this.over === undefined && !this.leaving;
  }

  get hasRoom() {
    return this.usable && this.live.size < this.calls;
  }

  get lastId() {
    return this.ids.last;
  }

  hello() {
    return frame((w) => e.writeHello(w, e.HELLO, { v: 1, agent: AGENT, auth: this.token,
      resume: this.lasting?.token, credit: WINDOW, max_frame: FRAME_MAX }));
  }

  /** Carries a call; `call` hears answered(), content(), finished(), failed(). Only when there is room. */
  open(call) {
    const id = this.idOf(call);
    const carrier = this.carrierOf(id, call);
    this.live.set(id, carrier);
    return carrier;
  }

  /** Of a call or a publish; on another connection of the session it is the same again. */
  idOf(it) {
    if (it.place?.ids !== this.ids) {
      it.place = { id: ++this.ids.last, ids: this.ids };
      if (this.lasting?.held) this.ids.open.add(it.place.id);
    }
    return it.place.id;
  }

  drop(id) {
    if (!this.live.delete(id) || this.over !== undefined) return;
    this.events.room();
  }

  // ---- topics ----

  /** An id for a Feed or a Publish: it hears acknowledged(), refused(), lost(), a Feed take(). */
  name(it, id = ++this.ids.last) {
    this.named.set(id, it);
    return id;
  }

  subscribe(id, pattern, options) {
    this.hearing?.();
    this.send(frame((w) => e.writeSub(w, id, pattern, options)));
  }

  unsubscribe(id) {
    if (this.named.delete(id) && this.over === undefined) this.send(frame((w) => e.writeId(w, e.UNSUB, id)));
  }

  credit(id, n) {
    this.send(frame((w) => e.writePair(w, e.CREDIT, id, n)));
  }

  topic(m, held) {
    const it = this.named.get(m.id);
    if (it === undefined) {
      if (m.id > this.lastId) this.fail(e.WIRE.unexpected, 'an event of a subscription that was never made');
      return; // it crossed with the end of what it was for
    }
    if (m.kind === e.EVENT || m.kind === e.GAP) {
      if (it.take === undefined) this.fail(e.WIRE.unexpected, 'an event for a publish');
      else it.take(m, held);
      return;
    }
    if (m.kind === e.ERROR || it.take === undefined) this.named.delete(m.id);
    if (m.kind === e.ERROR) it.refused(m);
    else it.acknowledged(m);
  }

  // ---- frames ----

  /** A frame that is no call's own. */
  control(m) {
    switch (m.kind) {
      case e.WELCOME: return this.welcome(m.options);
      case e.PING: return this.send(frame((w) => e.writePing(w, e.PONG, m.opaque)));
      case e.PONG: return undefined;
      case e.GOAWAY: return this.goAway(m.lastId, Number(m.graceMs));
      case e.ACK: case e.EVENT: case e.GAP: return this.topic(m);
      case e.ERROR:
        if (this.named.has(m.id)) return this.topic(m);
        this.peerError = m;
        return undefined;
      default: return this.fail(e.WIRE.unexpected, `a server may not send a frame of kind ${m.kind}`);
    }
  }

  welcome(o) {
    if (this.calls > 0) return this.fail(e.WIRE.unexpected, 'a second WELCOME');
    this.calls = o.calls || 1024;
    this.peerFrame = Number(o.max_frame || this.peerFrame);
    this.peerCredit = Number(o.credit || this.peerCredit);
    this.pingMs = Math.min(o.ping_ms || PING_MS, PING_MS);
    this.pongMs = this.lasting === undefined ? PONG_MS : this.pingMs; // who can go on elsewhere wants to know early that it has to
    this.heard = this.said = this.env.now();
    if (this.lasting !== undefined) {
      this.ids = this.lasting.welcomed(o, this);
      this.calls = Math.min(this.calls, CALLS_MAX);
      if (this.lasting.held) this.done(this.ids.ranges(true));
    }
    this.watch();
    this.becameReady(this);
    return undefined;
  }

  /** The service may forget these answers; it hears that its token has come, too. */
  done(ranges) {
    for (const [first, n] of ranges) this.send(frame((w) => e.writePair(w, e.DONE, first, n)));
  }

  // Bytes of one frame's body; `handle` gets the message.
  read(bytes, handle) {
    const m = e.readEnvelope(bytes);
    m.size = bytes.length;
    if (!m.unknown) return handle(m);
    if (m.id === null) return undefined;
    return this.send(frame((w) => e.writeError(w, m.id, e.WIRE.unknownKind, 'this kind is not known')));
  }

  // Runs what may throw a WireError: the peer does not speak as it should.
  guarded(run) {
    if (this.over !== undefined) return;
    try {
      this.heard = this.env.now();
      this.asked = undefined;
      run();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.fail(wireCodes[error.code] ?? e.WIRE.malformed, error.message);
    }
  }

  fail(code, text) {
    if (this.over !== undefined) return;
    this.send(frame((w) => e.writeError(w, null, code, text)));
    const error = new HerzError('protocol', `${this.transport}: ${text}`);
    this.shut(CLOSE.protocol, text);
    this.end(error);
  }

  // ---- signs of life ----

  watch() {
    if (this.over !== undefined) return;
    const now = this.env.now();
    const due = this.asked === undefined
      ? Math.min(this.heard, this.said) + this.pingMs
      : Math.min(this.asked + this.pongMs, now + this.pingMs);
    this.timer = this.env.setTimeout(() => this.look(), Math.max(0, due - now));
  }

  look() {
    const now = this.env.now();
    if (this.asked !== undefined && now >= this.asked + this.pongMs) {
      this.shut(CLOSE.idle, 'no answer to a ping');
      return this.disconnected(`nothing was heard for ${now - this.heard} ms`);
    }
    if (this.asked === undefined && now >= Math.min(this.heard, this.said) + this.pingMs) {
      this.send(frame((w) => e.writePing(w, e.PING, new Uint8Array(8))));
      this.asked = this.said = now;
    }
    return this.watch();
  }

  // ---- its end ----

  /** The server will not serve calls above `lastId`; the others may take `graceMs`. It closes when it has answered them. */
  goAway(lastId, graceMs) {
    if (this.leaving || this.over !== undefined) return;
    this.leaving = true;
    this.grace = this.env.setTimeout(() => (this.lasting?.held ? this.leave() : this.close(CLOSE.none, '')), Math.min(graceMs, GRACE_MAX_MS));
    this.events.leaving();
    for (const [id, carrier] of this.live) {
      if (id > lastId) carrier.lost(new HerzError('disconnected', 'the server goes away', { untouched: true }));
    }
  }

  /** Ends it; calls under way fail with code "closed", and nobody comes back for the session. */
  close(code, reason) {
    if (this.over !== undefined) return;
    for (const carrier of this.live.values()) carrier.recall?.();
    if (this.lasting?.held && this.calls > 0) this.send(frame((w) => e.writeGoAway(w, 0, 0)));
    this.shut(code, reason);
    this.end(new HerzError('closed', `the connection was closed${reason ? `: ${reason}` : ''}`, { closeCode: code, reason }));
  }

  /** Ends it, and the session goes on elsewhere. */
  leave() {
    if (this.over !== undefined) return;
    this.shut(CLOSE.none, '');
    this.disconnected('it was left for another');
  }

  disconnected(text) {
    this.end(new HerzError('disconnected', `${this.transport}: ${text}`));
  }

  /** The transport is gone. code: ours, undefined when there was none. */
  gone(code, reason, cause) {
    const { peerError } = this;
    const text = peerError?.text || reason || cause?.message || (code === undefined ? 'it broke off' : `it was closed with code ${code}`);
    const denied = Number(peerError?.code) === e.WIRE.denied || code === CLOSE.denied;
    this.end(new HerzError(denied ? 'denied' : 'disconnected', `${this.transport}: ${text}`, { closeCode: code, reason, cause }));
  }

  end(error) {
    if (this.over !== undefined) return;
    this.over = error;
    for (const timer of [this.timer, this.grace, this.late]) this.env.clearTimeout(timer);
    this.neverReady(error);
    const kept = this.lasting?.held;
    for (const carrier of [...this.live.values()]) carrier.lost(error, kept);
    this.live.clear();
    for (const it of [...this.named.values()]) it.lost(error, kept);
    this.named.clear();
    this.events.ended(error);
  }
}
