// What tests use in place of a clock, a WebSocket and a WebTransport: everything that happens is a call of the test's.
import { readEnvelope, WELCOME, writeHello } from '../src/envelope.js';
import { frame, FrameParser } from '../src/frame.js';

/** Lets everything run that waits for nothing but its turn. */
export async function settled() {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock {
  constructor() {
    this.time = 1_000_000;
    this.timers = new Map();
    this.next = 1;
    this.env = {
      now: () => this.time,
      setTimeout: (fn, ms) => (this.timers.set(this.next, { at: this.time + ms, fn }), this.next++),
      clearTimeout: (t) => this.timers.delete(t),
    };
  }

  /** Milliseconds until the earliest timer; undefined: there is none. */
  get earliest() {
    const all = [...this.timers.values()].map((t) => t.at - this.time);
    return all.length === 0 ? undefined : Math.min(...all);
  }

  async advance(ms) {
    const until = this.time + ms;
    for (;;) {
      await settled();
      const due = [...this.timers].filter(([, t]) => t.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].fn();
    }
    this.time = until;
    await settled();
  }
}

const bytesOf = (v) => new Uint8Array(v.buffer ?? v, v.byteOffset ?? 0, v.byteLength);

function framesOf(pieces) {
  const parser = new FrameParser();
  const out = [];
  for (const p of pieces) parser.push(bytesOf(p), (body) => out.push(readEnvelope(body.slice())));
  return out;
}

/** The frame of a message that only servers write, body given as msgpack of the whole array. */
export const framed = (bytes) => frame((w) => w.raw(bytes));
export const welcome = (options = {}) => frame((w) => writeHello(w, WELCOME, { v: 1, ...options }));

/** A WebSocket's class; `sockets` are those that were made. made(socket): one more is; what it sends is told to its `taken`,
 * its close to its `shut`. */
export function fakeWebSockets(made = () => {}) {
  const sockets = [];
  class FakeWebSocket {
    constructor(url, protocol) {
      Object.assign(this, { url, asked: protocol, protocol: '', readyState: 0, sent: [], closed: undefined });
      sockets.push(this);
      made(this);
    }

    send(data) {
      if (this.readyState !== 1) throw new Error('not open');
      this.sent.push(data);
      this.taken?.(data);
    }

    close(code, reason) {
      this.readyState = 3;
      this.closed ??= { code, reason };
      this.shut?.();
    }

    // ---- the server's side ----

    accept(options) {
      this.open();
      this.say(welcome(options));
    }

    open(protocol = this.asked) {
      this.readyState = 1;
      this.protocol = protocol;
      this.onopen({});
    }

    say(...frames) {
      for (const bytes of frames) this.onmessage({ data: bytes.slice().buffer });
    }

    end(code = 1006, reason = '') {
      this.readyState = 3;
      this.onclose({ code, reason });
    }

    /** What was sent so far, as messages. */
    get frames() {
      return framesOf(this.sent);
    }

    of(kind) {
      return this.frames.filter((m) => m.kind === kind);
    }
  }
  return { FakeWebSocket, sockets };
}

export class FakeStreamError extends Error {
  constructor(message, { source = 'stream', streamErrorCode = null } = {}) {
    super(message);
    this.source = source;
    this.streamErrorCode = streamErrorCode;
  }
}

// One bidirectional stream. `window`: pieces that are taken before the reader reads.
class FakeStream {
  constructor(window) {
    this.sent = [];
    this.finished = false;
    this.writable = new WritableStream({
      write: (chunk) => (this.sent.push(chunk.slice()), this.taken?.(chunk.slice()), this.blocked),
      close: () => (this.finished = true),
      abort: (reason) => (this.resetCode = reason.streamErrorCode),
      start: (c) => (this.writing = c),
    });
    this.readable = new ReadableStream({
      start: (c) => (this.reading = c),
      pull: () => this.onpull?.(),
      cancel: (reason) => (this.stopCode = reason.streamErrorCode),
    }, { highWaterMark: window });
  }

  get frames() {
    return framesOf(this.sent);
  }

  say(...frames) {
    for (const bytes of frames) this.reading.enqueue(bytes.slice());
  }

  fin(...frames) {
    this.say(...frames);
    this.reading.close();
  }

  reset(code) {
    this.reading.error(new FakeStreamError('reset', { streamErrorCode: code }));
  }

  stop(code) {
    this.writing.error(new FakeStreamError('stopped', { streamErrorCode: code }));
  }
}

/** A WebTransport's class; `sessions` are those that were made. made(session): one more is; its streams are told to its `begun`,
 * its close to its `shut`. */
export function fakeWebTransports(made = () => {}) {
  const sessions = [];
  class FakeWebTransport {
    constructor(url, options) {
      Object.assign(this, { url, options, streams: [], closedWith: undefined });
      this.incomingUnidirectionalStreams = new ReadableStream({ start: (c) => (this.incoming = c) });
      this.datagrams = { readable: new ReadableStream({ start: (c) => (this.arriving = c) }) };
      this.ready = new Promise((resolve, reject) => Object.assign(this, { open: resolve, refuse: reject }));
      this.closed = new Promise((resolve, reject) => Object.assign(this, { end: resolve, fail: reject }));
      this.draining = new Promise((resolve) => (this.drain = resolve));
      this.ready.catch(() => this.fail(new FakeStreamError('refused', { source: 'session' })));
      this.closed.catch(() => {});
      sessions.push(this);
      made(this);
    }

    async createBidirectionalStream() {
      const wait = this.noStreams;
      if (wait !== undefined) await wait;
      const stream = new FakeStream(1);
      this.streams.push(stream);
      this.begun?.(stream);
      return stream;
    }

    close({ closeCode = 0, reason = '' } = {}) {
      this.closedWith ??= { closeCode, reason };
      this.end({ closeCode, reason });
      this.shut?.();
    }

    // ---- the server's side ----

    async accept(options) {
      this.open();
      await settled();
      this.streams[0].say(welcome(options));
      await settled();
    }

    /** A stream of the server's. */
    push() {
      const stream = new FakeStream(1);
      this.incoming.enqueue(stream.readable);
      return stream;
    }

    breakOff() {
      const error = new FakeStreamError('lost', { source: 'session' });
      this.fail(error);
      for (const s of this.streams) {
        try {
          s.reading.error(error);
          s.writing.error(error);
        } catch {
          // It is over already.
        }
      }
    }
  }
  return { FakeWebTransport, sessions };
}
