// One publish: it waits for a connection, and, if it is to be acknowledged, for that. Not here: frames (session.js).
import { requestBody } from './body.js';
import { GONE } from './call.js';
import { WIRE, writePub } from './envelope.js';
import { HerzError } from './errors.js';
import { frame } from './frame.js';
import { headerPairs } from './headers.js';

export const UNSENT_MAX = 16 << 20; // bytes that wait in a connection

export class Publish {
  /** over(publish, again): nothing more is to be done, or all of it again. */
  constructor({ topic, body, options, env, over }) {
    if (typeof topic !== 'string' || topic === '') throw new TypeError('publish: the topic should be a text');
    this.topic = topic;
    this.headers = headerPairs(options.headers);
    this.body = requestBody(body ?? null).whole;
    if (this.body === undefined) throw new TypeError('publish: an event has no content in pieces');
    this.ack = options.ack === true;
    this.env = env;
    this.over = over;
    this.promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.watch(options.signal, options.timeout ?? 30_000);
  }

  watch(signal, timeout) {
    const stop = (code, text, cause) => this.end(this.error(code, text, { cause, untouched: !this.sent }));
    if (signal) {
      const onabort = () => stop('aborted', 'aborted', signal.reason);
      if (signal.aborted) return onabort();
      signal.addEventListener('abort', onabort, { once: true });
      this.unfollow = () => signal.removeEventListener('abort', onabort);
    }
    if (timeout > 0 && timeout < Infinity) {
      this.timer = this.env.setTimeout(() => stop('timeout', `not ${this.ack ? 'acknowledged' : 'sent'} within ${timeout} ms`), timeout);
    }
  }

  error(code, text, more) {
    return new HerzError(code, `publish ${this.topic}: ${text}`, more);
  }

  send(session) {
    if (session.unsent > UNSENT_MAX) return this.end(this.error('busy', `${UNSENT_MAX} bytes wait to be sent`, { untouched: !this.sent }));
    const id = this.ack ? session.name(this, session.idOf(this)) : null;
    const bytes = frame((w) => writePub(w, id, this.topic, this.headers, this.body), 64 + 3 * this.topic.length + this.body.length);
    if (bytes.length - 7 > session.peerFrame) {
      session.named.delete(id);
      return this.end(this.error('too_large', "it is over the server's frame limit", { untouched: !this.sent }));
    }
    this.sent = true;
    session.send(bytes);
    if (!this.ack) this.end();
  }

  acknowledged({ epoch, offset }) {
    this.end(undefined, { epoch, offset: Number(offset) });
  }

  refused(m) {
    const lost = Number(m.code) === WIRE.lost;
    this.end(this.error(lost ? 'reset' : 'refused', m.text || `the server answered ERROR ${m.code}`, { untouched: !lost }));
  }

  forsaken() {
    this.end(this.error('reset', GONE));
  }

  lost(cause, kept) {
    if (kept) this.over(this, true);
    else this.end(this.error(cause.code, cause.message, { cause, untouched: !this.sent }));
  }

  end(error, position) {
    if (this.done) return;
    this.done = true;
    this.place?.ids.settle(this.place.id);
    this.env.clearTimeout(this.timer);
    this.unfollow?.();
    if (error === undefined) this.resolve(position);
    else this.reject(error);
    this.over(this);
  }
}
