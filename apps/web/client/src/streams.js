// A session whose calls have streams of their own, over WebTransport: the herz/1 mapping. The control stream is the first
// bidirectional one; the end of a stream is the end of content; streams have the transport's flow control, so no
// CREDIT. Not here: frames on a shared stream (mux.js).
import { cancelled, Carrier } from './carrier.js';
import * as e from './envelope.js';
import { HerzError, WireError } from './errors.js';
import { frame, FrameParser } from './frame.js';
import { cutTo, FRAME_MAX, Session, WINDOW } from './session.js';

const DATAGRAMS = 1024; // that wait to be read
const REASON_MAX = 1024; // bytes, of a session's end
// What ends a stream may be the session's end, which comes by another way and says why: it has a moment to arrive.
const MOMENT_MS = 250;

export class StreamSession extends Session {
  /** wt: as the browser's WebTransport is. */
  constructor(wt, options) {
    super({ ...options, transport: 'webtransport' });
    this.wt = wt;
    this.unsent = 0; // bytes of the control stream that wait
    wt.closed.then(
      ({ closeCode, reason }) => this.gone(closeCode, reason),
      (cause) => this.gone(undefined, '', cause),
    );
    wt.draining?.then(() => this.goAway(this.lastId, 10_000), () => {});
    wt.ready.then(
      () => this.opened().catch((cause) => this.inAMoment(() => this.broken(cause))),
      (cause) => this.broken(cause),
    );
  }

  async opened() {
    if (this.over !== undefined) return;
    const stream = await this.wt.createBidirectionalStream();
    this.writer = stream.writable.getWriter();
    this.greet();
    await this.readAll(stream.readable, () => undefined, (m) => {
      if (m.kind >= e.RES && m.kind <= e.CREDIT) return this.fail(e.WIRE.unexpected, 'a frame of a call on the control stream');
      return this.control(m);
    });
    this.inAMoment(() => this.fail(e.WIRE.unexpected, 'the control stream ended'));
  }

  inAMoment(run) {
    this.late ??= this.env.setTimeout(() => this.over ?? run(), MOMENT_MS);
  }

  broken(cause) {
    this.shut(0, '');
    this.gone(undefined, '', cause);
  }

  // Every frame of a stream, until it ends; `room` is awaited before each piece.
  async readAll(readable, room, handle) {
    const parser = new FrameParser(FRAME_MAX);
    const reader = readable.getReader();
    for (;;) {
      await room(reader);
      const { done, value } = await reader.read();
      if (this.over !== undefined) return;
      if (done) break;
      this.guarded(() => parser.push(value, (body) => this.over ?? this.read(body, handle)));
    }
    if (parser.have > 0) this.fail(e.WIRE.frame, 'a stream ended inside a frame');
  }

  // ---- events ----

  /** Streams of the server's, and datagrams, are read from the first subscription on. */
  hearing() {
    this.hearing = undefined;
    const { incomingUnidirectionalStreams: streams, datagrams } = this.wt;
    if (streams) this.each(streams, (stream) => this.eventStream(stream));
    if (datagrams) datagrams.incomingHighWaterMark = DATAGRAMS;
    if (datagrams) this.each(datagrams.readable, (bytes) => this.datagram(bytes));
  }

  async each(readable, handle) {
    const reader = readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.over !== undefined) return;
        handle(value);
      }
    } catch {
      // With the session, which says why.
    }
  }

  // Of one subscription, all of its events or one. It is not read while its reader has enough, and nobody else waits.
  async eventStream(readable) {
    let feed, reader;
    const wanted = () => feed === undefined || feed.session === this;
    const room = async (r) => {
      reader = r;
      if (feed !== undefined && feed.class !== 'stream' && feed.class !== 'datagram') await feed.room();
      if (!wanted()) throw new Error('not wanted');
    };
    try {
      await this.readAll(readable, room, (m) => {
        if (m.kind !== e.EVENT && m.kind !== e.GAP) return this.fail(e.WIRE.unexpected, `a frame of kind ${m.kind} on a stream of events`);
        if (!wanted()) return undefined;
        feed ??= this.named.get(m.id) ?? {};
        return this.topic(m, feed.class === 'ordered' || feed.class === 'latest');
      });
    } catch {
      if (!wanted()) return void reader.cancel(streamError(e.CANCELLED.unwanted)).catch(() => {});
    }
    if (feed === undefined || this.over !== undefined || feed.class === 'stream' || feed.class === 'datagram') return;
    this.env.setTimeout(() => this.over ?? feed.restart?.(this), MOMENT_MS);
  }

  // What is none of ours is as if it had been lost.
  datagram(bytes) {
    try {
      new FrameParser(FRAME_MAX).push(bytes, (body) => this.over ?? this.read(body, (m) => {
        if ((m.kind === e.EVENT || m.kind === e.GAP) && this.named.get(m.id)?.take) this.topic(m);
      }));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }

  carrierOf(id, call) {
    return new StreamCarrier(this, id, call);
  }

  send(bytes) {
    this.said = this.env.now();
    this.unsent += bytes.length;
    // One that cannot be written is told by the session's end.
    this.writer?.write(bytes).then(() => (this.unsent -= bytes.length), () => {});
  }

  shut(code, reason) {
    try {
      this.wt.close({ closeCode: code, reason: cutTo(REASON_MAX, reason) });
    } catch {
      // It never was open, or is closed already.
    }
  }
}

// Why a stream is given up, in the form that this browser takes: the arguments of WebTransportError changed once.
function streamError(code) {
  const Made = globalThis.WebTransportError;
  if (Made === undefined) return Object.assign(new Error(`code ${code}`), { streamErrorCode: code });
  try {
    const made = new Made('', { streamErrorCode: code });
    if (made.streamErrorCode === code) return made;
  } catch {
    // The older form is tried.
  }
  return new Made({ message: '', streamErrorCode: code });
}

class StreamCarrier extends Carrier {
  constructor(session, id, call) {
    super(session, id, call);
    this.unread = 0;
  }

  async start() {
    const opening = this.request();
    if (opening === undefined) return this.tooLarge();
    try {
      const stream = await this.session.wt.createBidirectionalStream();
      this.writer = stream.writable.getWriter();
      this.writer.closed.catch(() => (this.stopped = true));
      this.readable = stream.readable;
    } catch (cause) {
      this.lost(new HerzError('disconnected', `${this.call.name}: no stream could be opened`, { cause, untouched: true }));
      return this.session.broken(cause); // where no stream can be opened nothing else is of use
    }
    if (this.over) return this.abandon(e.CANCELLED.unwanted);
    this.session.said = this.session.env.now();
    this.writer.write(opening.bytes).catch(() => {});
    if (opening.whole) this.finish();
    else this.pump();
    return this.listen();
  }

  async listen() {
    try {
      await this.session.readAll(this.readable, (reader) => this.room(reader), (m) => this.frame(m));
      if (this.over) return;
      if (this.answered) this.done([]);
      else this.lost(new HerzError('protocol', `${this.call.name}: its stream ended without an answer`));
    } catch (cause) {
      if (this.over) return;
      const code = cause?.streamErrorCode ?? e.CANCELLED.unwanted;
      // With the session its calls end, for the session's reason; only a code of ours is surely the call's own.
      if (code !== e.CANCELLED.unwanted) return this.lost(cancelled(this.call.name, code));
      this.session.env.setTimeout(() => this.lost(this.brokenOff(cause)), MOMENT_MS);
    }
  }

  // Firefox (153) drops what it has of an answer when the server wants no more of the request.
  brokenOff(cause) {
    if (this.sentAll) return cancelled(this.call.name, e.CANCELLED.unwanted);
    return new HerzError('cancelled', `${this.call.name}: the server wanted no more content, and its answer was lost`, { cause });
  }

  // Who does not read on lets the stream's window fill, which stops its sender.
  room(reader) {
    this.reader = reader;
    if (this.over || this.unread < WINDOW) return undefined;
    return new Promise((resolve) => (this.drained = resolve));
  }

  frame(m) {
    if (m.id !== this.id) return this.session.fail(e.WIRE.unexpected, "a frame for another call than the stream's own");
    if (m.kind === e.CREDIT || this.over) return undefined;
    const ofCall = m.kind === e.RES || m.kind === e.DATA || m.kind === e.END || m.kind === e.CANCEL || m.kind === e.ERROR;
    if (!ofCall) return this.session.fail(e.WIRE.unexpected, `a frame of kind ${m.kind} on a call's stream`);
    return this.take(m);
  }

  data(bytes) {
    if (!this.answered) return this.session.fail(e.WIRE.unexpected, 'content without an answer that announces it');
    this.unread += bytes.length;
    return this.call.content(bytes);
  }

  consume(n) {
    this.unread -= n;
    if (this.unread < WINDOW) this.drained?.();
  }

  async write(bytes, at) {
    const n = Math.min(bytes.length - at, this.pieceMax);
    try {
      await this.writer.ready;
    } catch {
      this.stopped = true;
    }
    if (this.enough) return 0;
    this.writer.write(frame((w) => e.writeData(w, this.id, bytes.subarray(at, at + n)), n + 24)).catch(() => {});
    return n;
  }

  finish() {
    this.sentAll = true;
    this.writer.close().catch(() => {});
  }

  abandon(code) {
    this.code ??= code;
    this.drained?.();
    if (this.writer === undefined || this.abandoned) return;
    this.abandoned = true;
    const error = streamError(code);
    this.writer.abort(error).catch(() => {});
    (this.reader ?? this.readable).cancel(error).catch(() => {});
  }

  cancel(code) {
    if (this.over) return;
    this.abandon(code);
    this.release();
  }

  release() {
    const unfinished = !this.over && (!this.sentAll || !this.answered);
    super.release();
    if (unfinished && this.session.over === undefined) this.abandon(e.CANCELLED.unwanted);
  }
}
