// One call as its caller sees it: its answer, deadline and signal; whether it may be sent again. Not here: frames
// (carrier.js), which connection (client.js).
import { bytesOfBody, joined, requestBody, textOf, valueOf } from './body.js';
import { CANCELLED } from './envelope.js';
import { HerzError } from './errors.js';
import { HeaderList, headerPairs } from './headers.js';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
export const GONE = 'the session is gone: it is not known whether this was done';
const MOVES_MAX = 5; // connections that take a call and do nothing with it

/** What call() resolves with. */
export class Answer {
  constructor(status, headers, body) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  text() {
    return textOf(this.body);
  }

  json() {
    return typeof this.body === 'string' || this.body instanceof Uint8Array ? JSON.parse(this.text()) : this.body;
  }
}

// What stream() resolves with.
class StreamedAnswer extends Answer {
  constructor(status, headers, body, trailers) {
    super(status, headers, body);
    this.trailers = trailers;
  }

  text() {
    return this.bytes().then(textOf);
  }

  json() {
    return this.text().then(JSON.parse);
  }

  async bytes() {
    const pieces = [];
    let total = 0;
    const reader = this.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return joined(pieces, total);
      pieces.push(value);
      total += value.length;
    }
  }
}

function requestOf(method, path, options, defaults) {
  if (typeof method !== 'string' || method === '') throw new TypeError('call: the method should be a text');
  if (typeof path !== 'string' || !path.startsWith('/')) throw new TypeError(`call: the path "${path}" should begin with /`);
  return {
    method,
    path,
    headers: headerPairs(withoutNames(defaults, headerPairs(options.headers)), options.headers),
    body: requestBody(options.body),
  };
}

// A call's own header stands in place of the default of the same name.
function withoutNames(defaults, own) {
  const names = new Set(own.map(([n]) => n));
  return defaults.filter(([n]) => !names.has(n));
}

/** Begun by the client; `whole`: the answer is collected, else its content is a stream. */
export class Call {
  constructor({ method, path, options, defaults, whole, env, over }) {
    this.request = requestOf(method, path, options, defaults);
    this.name = `${method} ${path}`;
    this.whole = whole;
    this.maxBytes = options.maxBytes ?? 64 << 20;
    this.env = env;
    this.over = over; // the client hears that it is over, or that it should be sent again
    this.safe = SAFE.has(method) && !this.request.body.once;
    this.retries = this.safe ? 1 : 0;
    this.moved = 0;
    this.pieces = [];
    this.bytes = 0;
    this.settled = false; // resolved or rejected
    this.carried = false; // under the id that it has, by a connection that has gone: it may have been done
    this.done = false;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.watch(options.signal, options.timeout ?? 30_000);
  }

  watch(signal, timeout) {
    if (signal !== undefined && signal !== null) {
      this.signal = signal;
      this.onabort = () => this.give(CANCELLED.unwanted, new HerzError('aborted', `${this.name}: aborted`, { cause: signal.reason }));
      if (signal.aborted) return this.onabort();
      signal.addEventListener('abort', this.onabort, { once: true });
    }
    if (timeout > 0 && timeout < Infinity) {
      this.timer = this.env.setTimeout(() => this.give(CANCELLED.deadline,
        new HerzError('timeout', `${this.name}: no answer within ${timeout} ms`)), timeout);
    }
    return undefined;
  }

  /** The caller gives up. */
  give(code, error) {
    if (this.done) return;
    this.carrier?.cancel(code);
    this.end(error);
  }

  // ---- told by the carrier ----

  answered(status, headers, body, carrier) {
    this.status = status;
    this.headers = new HeaderList(headers);
    this.follows = body.kind === 'follows';
    this.got = body;
    if (this.whole) return;
    this.env.clearTimeout(this.timer); // of a stream it is the time until it begins
    this.settled = true;
    const trailers = new Promise((resolve, reject) => {
      this.resolveTrailers = resolve;
      this.rejectTrailers = reject;
    });
    trailers.catch(() => {});
    this.resolve(new StreamedAnswer(status, this.headers, this.readable(carrier), trailers));
    if (!this.follows) this.enqueue(bytesOfBody(body), 0);
  }

  content(bytes) {
    this.bytes += bytes.length;
    if (!this.whole) return this.enqueue(bytes.slice(), bytes.length);
    if (this.bytes > this.maxBytes) {
      return this.give(CANCELLED.unwanted, new HerzError('too_large', `${this.name}: the answer is over ${this.maxBytes} bytes; use stream()`));
    }
    this.pieces.push(bytes.slice());
    return this.carrier?.consume(bytes.length);
  }

  finished(trailers) {
    if (this.done) return;
    if (!this.whole) {
      this.resolveTrailers(new HeaderList(trailers));
      this.ended = true;
      this.feed();
      return this.end();
    }
    try {
      this.resolve(new Answer(this.status, this.headers, this.collected()));
      this.settled = true;
      this.end();
    } catch (cause) {
      this.end(new HerzError('protocol', `${this.name}: the answer's content is not what its content-type says`, { cause }));
    }
    return undefined;
  }

  collected() {
    if (!this.follows) return this.got.kind === 'bytes' ? this.got.value.slice() : this.got.value;
    return valueOf(joined(this.pieces, this.bytes), this.headers.get('content-type'));
  }

  failed(error) {
    if (this.done) return;
    if (error.code === 'disconnected' && !this.settled && this.again(error)) return;
    this.end(error.code === 'disconnected' || error.code === 'closed' || error.code === 'denied' ? this.named(error) : error);
  }

  again(error) {
    if (error.untouched ? ++this.moved > MOVES_MAX : this.retries-- <= 0) return false;
    if (this.request.body.once && this.carrier !== undefined) return false;
    if (!this.carried) this.forgetPlace();
    this.repeat();
    return true;
  }

  repeat() {
    this.carrier = undefined;
    this.pieces = [];
    this.bytes = 0;
    this.over(this, true);
  }

  // Nobody waits for an answer under the id that it had.
  forgetPlace() {
    this.place?.ids.settle(this.place.id);
    this.place = undefined;
    this.carried = false;
  }

  /** Its connection has gone; the session may go on, where it is repeated under its id. whole: its request is one frame. */
  cut(error, whole) {
    if (this.done) return;
    if (whole && !this.settled && (this.safe || this.status === undefined)) {
      this.carried = true;
      return this.repeat();
    }
    if (this.settled || !this.again(error)) this.end(this.named(error, 'reset'));
    return undefined;
  }

  /** The session that it was sent in has gone. */
  forsaken() {
    if (this.safe) this.forgetPlace();
    else this.end(new HerzError('reset', `${this.name}: ${GONE}`));
  }

  // The connection's error says nothing about the call; whether the server has done something is not known.
  named(error, code = error.code) {
    return new HerzError(code, `${this.name}: ${error.message}`, { cause: error, closeCode: error.closeCode,
      reason: error.reason, untouched: this.place === undefined || (error.untouched && !this.carried) });
  }

  end(error) {
    this.done = true;
    this.forgetPlace();
    this.env.clearTimeout(this.timer);
    this.signal?.removeEventListener('abort', this.onabort);
    if (error !== undefined) {
      if (!this.settled) this.reject(error);
      this.settled = true;
      this.rejectTrailers?.(error);
      this.break?.(error);
    }
    this.over(this, false);
  }

  // ---- content as a stream ----

  // A piece is handed on when it is asked for, and only then the server may send as much again.
  readable(carrier) {
    const queue = [];
    let controller, wanted, broken;
    this.enqueue = (bytes, credit) => {
      if (bytes.length > 0) queue.push({ bytes, credit });
      this.feed();
    };
    this.feed = () => {
      if (broken) return;
      if (wanted !== undefined && queue.length > 0) {
        const { bytes, credit } = queue.shift();
        controller.enqueue(bytes);
        carrier.consume(credit);
        wanted();
        wanted = undefined;
      } else if (this.ended && queue.length === 0) {
        broken = true;
        controller.close();
        wanted?.();
      }
    };
    this.break = (error) => {
      if (broken) return;
      broken = true;
      controller.error(error);
      wanted?.();
    };
    return iterable(new ReadableStream({
      start: (c) => (controller = c),
      pull: () => new Promise((resolve) => {
        wanted = resolve;
        this.feed();
      }),
      cancel: (reason) => {
        broken = true;
        this.give(CANCELLED.unwanted, new HerzError('aborted', `${this.name}: its content is not wanted`, { cause: reason }));
      },
    }, { highWaterMark: 0 }));
  }
}

// `for await` is not everywhere yet.
function iterable(stream) {
  if (Symbol.asyncIterator in stream) return stream;
  stream[Symbol.asyncIterator] = () => {
    const reader = stream.getReader();
    return {
      next: () => reader.read(),
      return: (value) => reader.cancel().then(() => ({ done: true, value })),
    };
  };
  return stream;
}
