// One call on one connection: its request leaves, its answer is told to the call. Not here: what differs between a
// shared stream and a stream of its own (mux.js, streams.js).
import * as e from './envelope.js';
import { HerzError } from './errors.js';
import { frame } from './frame.js';

export const PIECE = 65536; // content of one DATA frame, at most
const DATA_HEAD = 32; // bytes around the content, at most

export class Carrier {
  constructor(session, id, call) {
    this.session = session;
    this.id = id;
    this.call = call;
    this.answered = false; // RES has come, and content follows
    this.over = false;
    this.stopped = false; // the server wants no more content of the request; its answer still comes
  }

  get pieceMax() {
    return Math.max(1, Math.min(PIECE, this.session.peerFrame - DATA_HEAD));
  }

  /** The frame that opens the call; `whole`: it carries all its content. Undefined: the head is too large. */
  request() {
    const { method, path, body } = this.call.request;
    let { headers } = this.call.request;
    const room = 64 + method.length + path.length + (body.whole?.length ?? 0);
    if (body.whole !== undefined && body.whole.length <= PIECE) {
      const bytes = frame((w) => e.writeReq(w, this.id, method, path, headers, body.whole), room);
      if (bytes.length - 7 <= this.session.peerFrame) return { bytes, whole: (this.whole = true) };
    }
    if (body.type !== undefined && !headers.some(([n]) => n === 'content-type')) {
      headers = [...headers, ['content-type', body.type]];
    }
    const bytes = frame((w) => e.writeReq(w, this.id, method, path, headers, undefined), room);
    return bytes.length - 7 <= this.session.peerFrame ? { bytes, whole: false } : undefined;
  }

  tooLarge() {
    this.lost(new HerzError('too_large', `${this.call.name}: method, path and headers are over the server's frame limit`));
  }

  // Content of the request, piece by piece, as fast as write() takes it.
  async pump() {
    const pieces = this.call.request.body.pieces();
    this.pieces = pieces;
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (this.enough) return this.leave();
        if (done) break;
        for (let at = 0; at < value.length && !this.enough;) at += await this.write(value, at);
        if (this.enough) return this.leave();
      }
      this.pieces = undefined;
      return await this.finish();
    } catch (cause) {
      if (this.enough) return this.leave();
      this.cancel(e.CANCELLED.internal);
      return this.call.failed(new HerzError('body', `${this.call.name}: its content could not be read`, { cause }));
    }
  }

  get enough() {
    return this.over || this.stopped;
  }

  // Nobody wants the rest of the request's content: its source is told, once.
  leave() {
    const { pieces } = this;
    this.pieces = undefined;
    Promise.resolve(pieces?.return?.()).catch(() => {});
  }

  // ---- frames of the answer ----

  take(m) {
    switch (m.kind) {
      case e.RES: return this.response(m);
      case e.DATA: return this.data(m.data);
      case e.END: return this.answered ? this.done(m.headers) : undefined;
      case e.CANCEL: return this.lost(cancelled(this.call.name, m.code));
      case e.CREDIT: return this.credited?.(Number(m.credit));
      default: return this.lost(new HerzError({ [e.WIRE.limit]: 'refused', [e.WIRE.lost]: 'reset' }[m.code] ?? 'protocol',
        `${this.call.name}: ${m.text || `the server answered ERROR ${m.code}`}`));
    }
  }

  response(m) {
    if (this.answered) return this.session.fail(e.WIRE.unexpected, 'a second RES for one call');
    this.answered = true;
    const follows = m.body.kind === 'follows';
    this.call.answered(m.status, m.headers, m.body, this);
    return follows ? undefined : this.done([]);
  }

  done(trailers) {
    if (this.over) return;
    this.release();
    this.call.finished(trailers);
  }

  /** It ends without an answer, or without the end of one. kept: with its connection, and the session may go on. */
  lost(error, kept) {
    if (this.over) return;
    this.release();
    if (kept) this.call.cut(error, this.whole);
    else this.call.failed(error);
  }

  release() {
    this.over = true;
    this.wake?.();
    this.leave();
    this.session.drop(this.id);
  }
}

const words = ['the server broke it off', 'its deadline passed at the server', 'its stream is gone',
  'the server failed while it answered', 'the server refused it: nothing was done'];

/** The error of a call that the server gave up with this code. */
export function cancelled(name, code) {
  const c = Number(code);
  const kind = c === e.CANCELLED.deadline ? 'timeout' : c === e.CANCELLED.refused ? 'refused' : 'cancelled';
  return new HerzError(kind, `${name}: ${words[c] ?? words[0]}`, { untouched: kind === 'refused' });
}
