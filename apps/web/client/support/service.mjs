// A service with sessions as docs/sessions.md has them, behind a network that is the test's: frames take their time,
// connections are cut, or carry nothing any more and look alive. It notes what it does. Not here: any expectation.
import { CANCEL, DONE, GOAWAY, HELLO, PING, PUB, readEnvelope, REQ, SUB } from '../src/envelope.js';
import { FrameParser } from '../src/frame.js';
import { encode } from '../src/msgpack.js';
import { FakeStreamError, fakeWebSockets, fakeWebTransports, framed, welcome } from './fakes.mjs';

export const message = (...fields) => framed(encode(fields));

/** below(n): a random whole number from 0 to n - 1, by a seed. */
export function randomOf(seed) {
  let a = seed;
  return (n) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

// One connection, both ways in order. The client's end is a WebSocket or a WebTransport: say(bytes, stream, last), broken(),
// closed(code, reason).
class Line {
  constructor(service, name, end) {
    Object.assign(this, { service, name, end, times: new Map(), parsers: new Map(), deaf: false, mute: false, gone: false });
    service.lines.add(this);
  }

  later(way, fn, most = 30) {
    const { clock, below } = this.service;
    const at = Math.max(this.times.get(way) ?? 0, clock.time + 1 + below(most));
    this.times.set(way, at);
    clock.env.setTimeout(fn, at - clock.time);
  }

  /** Bytes of the client's. */
  receive(bytes, stream) {
    if (!this.parsers.has(stream)) this.parsers.set(stream, new FrameParser());
    this.later(`to ${stream}`, () => {
      if (!this.deaf) this.parsers.get(stream).push(bytes, (body) => this.service.take(this, readEnvelope(body.slice()), stream));
    });
  }

  send(bytes, stream = 0, last = false) {
    if (!this.gone) this.later(`from ${stream}`, () => this.mute || this.end.say(bytes, stream, last));
  }

  /** The client has closed it. */
  left() {
    this.mute = true;
    this.later('to 0', () => this.deaf || this.service.gone(this));
  }

  close(code, reason) {
    this.send(message(16, null, 9, reason));
    this.later('from 0', () => this.mute || ((this.mute = true), this.end.closed(code, reason)));
    this.service.gone(this);
  }

  /** silent: the client is not told. deaf: nothing that is on its way arrives. The service hears of it after so many ms. */
  cut({ silent, deaf, after }) {
    if (this.mute) return;
    this.mute = true;
    this.deaf = deaf;
    if (!silent) this.end.broken();
    this.service.clock.env.setTimeout(() => this.service.gone(this), after);
  }
}

export class Service {
  constructor(clock, below) {
    Object.assign(this, { clock, below, lines: new Set(), tokens: new Map(), feeds: new Set(), ran: new Map(), log: [], last: 0, welcomesLost: 0,
      counts: { opened: { ws: 0, wt: 0 }, resumed: 0, refused: 0, repeated: 0, displaced: 0, lost: 0, told: 0, quit: 0 } });
    this.down = this.udp = false; // nothing can connect; WebTransport cannot
    this.slow = 30;
    this.FakeWebSocket = fakeWebSockets((socket) => this.overSocket(socket)).FakeWebSocket;
    this.FakeWebTransport = fakeWebTransports((wt) => this.overTransport(wt)).FakeWebTransport;
  }

  // ---- connections ----

  overSocket(socket) {
    const line = new Line(this, 'ws', {
      say: (bytes) => socket.say(bytes),
      broken: () => socket.end(1006),
      closed: (code, reason) => socket.end(4000 + code, reason),
    });
    socket.taken = (data) => line.receive(data, 0);
    socket.shut = () => line.left();
    line.later('from 0', () => (this.down ? line.cut({ after: 0 }) : line.mute || socket.open()), this.slow);
  }

  overTransport(wt) {
    const over = (run) => {
      try {
        run();
      } catch {
        // That stream is over.
      }
    };
    const opening = new Set();
    const broken = () => (wt.refuse(new FakeStreamError('no answer', { source: 'session' })), wt.breakOff());
    const line = new Line(this, 'wt', {
      say: (bytes, stream, last) => over(() => (last ? wt.streams[stream].fin(bytes) : wt.streams[stream].say(bytes))),
      // As Chromium does it: streams that are not there yet fail first, then the session.
      broken: () => {
        if (opening.size === 0) return broken();
        for (const reject of opening) reject(new Error('closed'));
        opening.clear();
        return this.clock.env.setTimeout(broken, 1);
      },
      closed: (closeCode, reason) => wt.end({ closeCode, reason }),
    });
    wt.begun = (stream) => {
      const n = wt.streams.length - 1;
      stream.taken = (bytes) => line.receive(bytes, n);
    };
    Object.defineProperty(wt, 'noStreams', { get: () => (wt.streams.length === 0 || this.below(2) === 0 ? undefined : this.soon(opening)) });
    wt.shut = () => line.left();
    line.later('from 0', () => (this.down || !this.udp ? line.cut({ after: 0 }) : line.mute || wt.open()), this.slow);
  }

  // Resolves after a while, unless somebody rejects it.
  soon(rejects) {
    return new Promise((resolve, reject) => {
      rejects.add(reject);
      this.clock.env.setTimeout(() => {
        rejects.delete(reject);
        resolve();
      }, 1 + this.below(300));
    });
  }

  gone(line) {
    line.gone = true;
    this.lines.delete(line);
  }

  /** Those that carry anything. */
  get alive() {
    return [...this.lines].filter((l) => !l.mute && l.session !== undefined);
  }

  /** It was ended by force, and has started again: it remembers nothing but its topic. */
  restart() {
    for (const s of this.tokens.values()) s.over = true;
    this.tokens.clear();
    this.feeds.clear();
    for (const line of this.lines) line.cut({ silent: this.below(4) === 0, deaf: true, after: 0 });
  }

  // ---- sessions ----

  take(line, m, stream) {
    if (line.gone) return undefined;
    switch (m.kind) {
      case HELLO: return this.hello(line, m.options);
      case REQ: return this.request(line, m, stream);
      case PUB: return this.publish(line, m);
      case SUB: return this.subscribe(line, m);
      case PING: return line.send(message(14, m.opaque));
      case DONE: return this.forget(line, m.id, m.credit);
      case CANCEL: return this.forget(line, m.id, 1);
      case GOAWAY: return this.quit(line);
      default: return undefined;
    }
  }

  hello(line, { resume }) {
    let s = this.tokens.get(resume);
    const resumed = s !== undefined;
    this.counts.opened[line.name]++;
    if (resumed) this.counts.resumed++;
    else if (resume !== 'new') this.counts.refused++;
    s ??= { known: new Map() };
    if (resume === s.token) {
      this.confirm(s); // it had the newest, and the one before is of no use
      s.used = s.token;
    } else {
      this.tokens.delete(s.token);
    }
    s.unconfirmed = resumed;
    s.token = `token ${++this.last}`;
    this.tokens.set(s.token, s);
    if (s.line !== undefined && !s.line.gone) {
      this.counts.displaced++;
      s.line.displaced = true;
      s.line.close(1, 'the session goes on on another connection');
    }
    s.line = line;
    line.session = s;
    line.send(welcome({ token: s.token, resumed, ping_ms: 1000, calls: 100 }));
    if (this.welcomesLost > 0) {
      this.welcomesLost--;
      line.cut({ silent: this.below(2) === 0, deaf: true, after: this.below(5000) });
    }
  }

  confirm(s) {
    if (s.unconfirmed) this.tokens.delete(s.used);
    s.unconfirmed = false;
  }

  forget({ session: s, displaced }, first, n) {
    if (displaced) return;
    this.confirm(s);
    this.counts.told += n;
    for (const id of s.known.keys()) if (id >= first && id < first + n) s.known.delete(id);
  }

  quit({ session: s }) {
    this.counts.quit++;
    this.tokens.delete(s.token);
    this.tokens.delete(s.used);
    s.over = true;
  }

  // What is to be done; undefined: it was met before, and that is dealt with.
  meet(line, id, stream) {
    const s = line.session;
    if (line.displaced) {
      this.counts.lost++;
      return line.send(message(16, id, 14, 'displaced'), stream, stream > 0);
    }
    this.confirm(s);
    const known = s.known.get(id);
    if (known === undefined) {
      const fresh = { line, stream };
      s.known.set(id, fresh);
      return fresh;
    }
    this.counts.repeated++;
    Object.assign(known, { line, stream });
    if (known.answer !== undefined) line.send(known.answer, stream, stream > 0);
    return undefined;
  }

  answered(known, answer) {
    known.answer = answer;
    known.line.send(answer, known.stream, known.stream > 0);
  }

  // A third is answered at once, the others up to two seconds later.
  request(line, { id, path }, stream) {
    const known = this.meet(line, id, stream);
    if (known === undefined) return;
    this.ran.set(path, (this.ran.get(path) ?? 0) + 1);
    const dice = this.below(3000);
    const answer = () => line.session.over || this.answered(known, message(3, id, 200, null, path));
    if (dice < 1000) answer();
    else this.clock.env.setTimeout(answer, dice - 1000);
  }

  // ---- its one topic ----

  publish(line, { id, body }) {
    const known = this.meet(line, id, 0);
    if (known === undefined) return;
    this.log.push(body.value);
    this.answered(known, message(11, id, 7, this.log.length));
    for (const feed of this.feeds) this.feed(feed);
  }

  subscribe(line, { id, options }) {
    const feed = { line, id, at: options.offsets?.said?.[1] ?? options.since ?? this.log.length };
    this.feeds.add(feed);
    line.send(message(11, id, 7, this.log.length));
    this.feed(feed);
  }

  feed(feed) {
    if (feed.line.gone) this.feeds.delete(feed);
    while (feed.at < this.log.length) feed.line.send(message(12, feed.id, 'said', 7, ++feed.at, null, this.log[feed.at - 1]));
  }
}
