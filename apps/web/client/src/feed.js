// One subscription as its caller sees it: what has come and was not read yet, bounded; where it goes on when a connection
// is lost. Not here: frames (session.js), which connection (client.js). docs/hub.md has the contract.
import { GAP } from './envelope.js';
import { HerzError } from './errors.js';
import { HeaderList } from './headers.js';
import { Positions } from './positions.js';

const EVENTS = 1024; // that wait to be read
const BYTES = 16 << 20;
const CLASSES = ['ordered', 'stream', 'datagram', 'latest'], SLOW = ['oldest', 'newest', 'latest', 'pause', 'close'];

function known(what, value, all) {
  if (!all.includes(value)) throw new TypeError(`subscribe: ${what} "${value}" is none of ${all.join(', ')}`);
  return value;
}

function count(what, value, least) {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`subscribe: ${what} ${value} should be a whole number, ${least} or more`);
  return value;
}

// What others see it as, where they see who has subscribed.
function label(as) {
  if (as === undefined || (typeof as === 'string' && as !== '' && new TextEncoder().encode(as).length <= 128)) return as;
  throw new TypeError('subscribe: as should be a text of 1 to 128 bytes');
}

export class Feed {
  /** over(feed): it has ended. */
  constructor(pattern, options, over) {
    if (typeof pattern !== 'string' || pattern === '') throw new TypeError('subscribe: the pattern should be a text');
    this.pattern = pattern;
    this.over = over;
    this.class = known('class', options.class ?? 'ordered', CLASSES);
    this.deadline = count('deadline', options.deadline, 1);
    // Credit counts what arrives: where some never does, it would run out.
    const lossy = this.class === 'datagram' || (this.class === 'stream' && this.deadline !== undefined);
    this.slow = known('slow', options.slow ?? (lossy ? 'oldest' : 'pause'), SLOW);
    if (lossy && this.slow === 'pause') throw new TypeError('subscribe: slow "pause" goes with no class that loses events');
    this.wanted = { from: count('from', options.from, 0), ago_ms: count('ago', options.ago, 1), epoch: options.epoch };
    this.chosen = this.wanted.from !== undefined || this.wanted.ago_ms !== undefined;
    this.liveOnly = options.liveOnly === true;
    this.as = label(options.as);
    this.max = count('buffer', options.buffer, 1) ?? EVENTS;
    this.maxBytes = count('bufferBytes', options.bufferBytes, 1) ?? BYTES;
    // What was replaced would come again behind what replaced it.
    const loose = lossy || (this.class === 'stream' && this.slow === 'latest');
    this.positions = new Positions(loose ? 'loose' : this.class === 'stream' ? 'mixed' : 'kept', !this.chosen);
    this.queue = [];
    this.events = 0;
    this.bytes = 0;
    this.readers = []; // that wait for what comes next
    this.returned = 0;
    this.outside = this.subscription();
    this.follow(options.signal);
  }

  // What the caller gets.
  subscription() {
    const ready = new Promise((resolve, reject) => Object.assign(this, { becameReady: resolve, neverReady: reject }));
    ready.catch(() => {});
    return {
      pattern: this.pattern,
      ready,
      next: () => this.next(),
      return: async () => (this.close(), { done: true, value: undefined }),
      close: () => this.close(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  follow(signal) {
    if (!signal) return;
    const stop = () => {
      this.discard();
      this.end(new HerzError('aborted', `subscription ${this.pattern}: aborted`, { cause: signal.reason }));
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    this.unfollow = () => signal.removeEventListener('abort', stop);
  }

  // ---- reading ----

  next() {
    if (this.queue.length > 0) {
      const item = this.queue.shift();
      this.count(item, -1);
      this.took(item);
      this.drained();
      return Promise.resolve({ done: false, value: item.value });
    }
    const { error } = this;
    this.error = undefined; // it is told once
    if (error !== undefined) return Promise.reject(error);
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => this.readers.push({ resolve, reject }));
  }

  close() {
    this.discard();
    this.error = undefined;
    this.end();
  }

  discard() {
    this.queue = [];
    this.events = this.bytes = 0;
  }

  /** Nothing more comes; what has come can still be read. */
  end(error) {
    if (this.ended) return;
    this.ended = true;
    this.unfollow?.();
    this.leave();
    this.error = error;
    this.neverReady(error ?? new HerzError('aborted', `subscription ${this.pattern}: closed`));
    for (const { resolve, reject } of this.readers.splice(0)) {
      if (this.error !== undefined) reject(error);
      else resolve({ done: true, value: undefined });
      this.error = undefined;
    }
    this.over(this);
  }

  count(item, sign) {
    this.bytes += sign * item.size;
    if (item.value.type === 'event') this.events += sign;
  }

  // An event that has left the queue makes room for another.
  took(item) {
    if (this.slow !== 'pause' || item.value.type !== 'event') return;
    if (++this.returned < this.max / 2 || this.session === undefined) return;
    this.session.credit(this.id, this.returned);
    this.returned = 0;
  }

  get full() {
    return this.events >= this.max || this.bytes >= this.maxBytes;
  }

  /** Undefined, or a promise: a stream that carries this subscription alone is not read meanwhile. */
  room() {
    if (!this.full || this.ended) return undefined;
    return new Promise((resolve) => (this.wake = resolve));
  }

  drained() {
    if (this.wake === undefined || (this.full && this.session !== undefined)) return;
    this.wake();
    this.wake = undefined;
  }

  // ---- connections ----

  /** On this connection from now on. */
  begin(session) {
    this.session = session;
    this.id = session.name(this);
    this.positions.round++;
    this.returned = 0;
    session.subscribe(this.id, this.pattern, {
      class: this.class === 'ordered' ? undefined : this.class,
      slow: this.slow === 'oldest' ? undefined : this.slow,
      deadline_ms: this.deadline,
      as: this.as,
      credit: this.slow === 'pause' ? Math.max(0, this.max - this.events) : undefined,
      ...this.where(session.peerFrame - 512 - 3 * this.pattern.length),
    });
  }

  // As it was asked to begin; when it has heard something, behind that.
  where(room) {
    if (this.epoch === undefined || (this.chosen && this.positions.topics.size === 0)) return this.wanted;
    if (this.liveOnly) return {};
    return { since: this.chosen ? 0 : this.mark, epoch: this.epoch, offsets: this.positions.map(room) };
  }

  /** Its connection has gone, or it leaves it. */
  lost() {
    this.session = undefined;
    this.drained();
  }

  leave() {
    this.session?.unsubscribe(this.id);
    this.lost();
  }

  /** The stream that carried it has ended, and the connection has not. */
  restart(session) {
    if (this.session !== session) return;
    this.leave();
    this.begin(session);
  }

  // A service of another epoch knows nothing of what was: all that it has is new. Events may have overtaken this.
  acknowledged({ epoch, offset }) {
    const anew = this.epoch !== undefined && this.epoch !== epoch;
    if (anew) this.positions.forgetOlder();
    if (this.epoch === undefined || anew) this.mark = anew ? 0 : offset;
    this.epoch = epoch;
    this.becameReady({ epoch, mark: offset });
  }

  refused(m) {
    this.session = undefined;
    this.end(new HerzError('refused', `subscription ${this.pattern}: ${m.text || `the server answered ERROR ${m.code}`}`));
  }

  // ---- what comes ----

  /** held: it came on a stream that room() holds up. */
  take(m, held) {
    const offset = Number(m.offset), missed = Number(m.missed);
    if (m.kind === GAP) {
      if (m.text !== null && m.epoch > 0 && offset > 0 && missed > 0) this.positions.gap(m.text, m.epoch, offset, offset + missed - 1);
      return this.put({ size: 0, value: { type: 'gap', topic: m.text, epoch: m.epoch, offset, missed } });
    }
    const item = { size: m.size, value: { type: 'event', topic: m.text, epoch: m.epoch, offset, headers: new HeaderList(m.headers), body: m.body.value } };
    if (m.epoch > 0 && offset > 0 && !this.positions.event(m.text, m.epoch, offset)) return this.took(item);
    if (!held && this.readers.length === 0 && this.full) return this.overflow(item);
    return this.put(item);
  }

  put(item) {
    const reader = this.readers.shift();
    if (reader !== undefined) {
      reader.resolve({ done: false, value: item.value });
      return this.took(item);
    }
    const last = this.queue.at(-1);
    if (item.value.type === 'gap' && last?.value.type === 'gap') last.value = joined(last.value, item.value);
    else this.queue.push(item);
    return this.count(item, 1);
  }

  // The reader is too slow: what the server would do at its bound.
  overflow(item) {
    if (this.slow === 'close') {
      return this.end(new HerzError('busy', `subscription ${this.pattern}: it is read too slowly, ${this.events} events wait`));
    }
    if (this.slow === 'newest' || this.slow === 'pause') {
      this.put(gapOf(item));
      return this.took(item);
    }
    const same = this.slow === 'latest' ? this.queue.findIndex((q) => q.value.type === 'event' && q.value.topic === item.value.topic) : -1;
    if (same >= 0) {
      this.count(this.queue[same], -1);
      this.queue.splice(same, 1);
    }
    while (this.full) this.dropOldest();
    return this.put(item);
  }

  dropOldest() {
    const first = this.queue[0].value.type === 'gap' ? this.queue.shift() : undefined;
    const oldest = this.queue.shift();
    this.count(oldest, -1);
    const gap = gapOf(oldest);
    if (first !== undefined) gap.value = joined(first.value, gap.value);
    if (this.queue[0]?.value.type === 'gap') gap.value = joined(gap.value, this.queue.shift().value);
    this.queue.unshift(gap);
  }
}

const gapOf = ({ value: { topic, epoch, offset } }) => ({ size: 0, value: { type: 'gap', topic, epoch, offset, missed: 1 } });

// Two gaps behind each other; of several topics, no topic.
function joined(a, b) {
  const missed = a.missed > 0 && b.missed > 0 ? a.missed + b.missed : 0;
  if (a.topic !== b.topic || a.epoch !== b.epoch) return { type: 'gap', topic: null, epoch: 0, offset: 0, missed };
  return { ...a, offset: Math.min(a.offset, b.offset), missed };
}
