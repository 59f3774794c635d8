// A session whose calls share one stream: frames in binary messages of a WebSocket (subprotocol herz.v1), credit for
// each call. Not here: which WebSocket (url.js, node.js).
import { Carrier } from './carrier.js';
import * as e from './envelope.js';
import { HerzError } from './errors.js';
import { frame, FrameParser } from './frame.js';
import { CLOSE, cutTo, FRAME_MAX, Session, WINDOW } from './session.js';

export const PROTOCOL = 'herz.v1';
const MESSAGE = 65536; // frames that leave in one turn share messages up to this size
const REASON_MAX = 123; // bytes, RFC 6455, 5.5

export class MuxSession extends Session {
  /** socket: as the browser's WebSocket is. */
  constructor(socket, options) {
    super({ ...options, transport: 'websocket' });
    this.socket = socket;
    this.parser = new FrameParser(FRAME_MAX);
    this.waiting = []; // frames of this turn
    this.waitingBytes = 0;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.opened();
    socket.onmessage = (event) => this.came(event.data);
    socket.onerror = (event) => this.broke(event.error ?? event);
    socket.onclose = (event) => this.gone(ourCode(event.code), event.reason, this.cause);
  }

  opened() {
    if (this.over !== undefined) return;
    if (this.socket.protocol !== PROTOCOL) {
      this.shut(CLOSE.protocol, '');
      this.end(new HerzError('protocol', `websocket: the server does not speak ${PROTOCOL}`));
      return;
    }
    this.greet();
  }

  // `close` follows, and tells more; but not with every WebSocket of Node when no connection comes about.
  broke(cause) {
    this.cause = cause;
    this.late = this.env.setTimeout(() => this.gone(undefined, '', cause), 0);
  }

  came(data) {
    this.guarded(() => {
      if (typeof data === 'string') return this.fail(e.WIRE.malformed, 'a text message among frames');
      return this.parser.push(new Uint8Array(data), (body) => this.over ?? this.read(body, (m) => this.deal(m)));
    });
  }

  deal(m) {
    const ofCall = m.kind === e.RES || (m.kind >= e.DATA && m.kind <= e.CREDIT) || (m.kind === e.ERROR && m.id !== null);
    if (!ofCall || this.named.has(m.id)) return this.control(m);
    const carrier = this.live.get(m.id);
    if (carrier !== undefined) return carrier.take(m);
    if (m.id > this.lastId) return this.fail(e.WIRE.unexpected, 'an answer to a call that was never made');
    return undefined; // it crossed with the call's end
  }

  carrierOf(id, call) {
    return new MuxCarrier(this, id, call);
  }

  // What is sent in one turn leaves together.
  send(bytes) {
    if (this.over !== undefined) return;
    this.said = this.env.now();
    if (this.waiting.length > 0 && this.waitingBytes + bytes.length > MESSAGE) this.flush();
    if (this.waiting.push(bytes) === 1) queueMicrotask(() => this.flush());
    this.waitingBytes += bytes.length;
  }

  get unsent() {
    return this.waitingBytes + (this.socket.bufferedAmount ?? 0);
  }

  flush() {
    const { waiting, socket } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    let message = waiting[0];
    if (waiting.length > 1) {
      message = new Uint8Array(this.waitingBytes);
      let at = 0;
      for (const bytes of waiting) {
        message.set(bytes, at);
        at += bytes.length;
      }
    }
    this.waitingBytes = 0;
    if (socket.readyState === 1) socket.send(message);
  }

  shut(code, reason) {
    this.flush();
    try {
      this.socket.close(code === 0 ? 1000 : 4000 + code, cutTo(REASON_MAX, reason));
    } catch (error) {
      this.cause = error;
      this.socket.close();
    }
  }
}

// Codes of WebSocket to those of Herz: docs/websocket.md, "Close codes".
function ourCode(code) {
  if (code === 1000) return CLOSE.none;
  if (code === 1001) return CLOSE.shutdown;
  return code >= 4000 ? code - 4000 : undefined;
}

class MuxCarrier extends Carrier {
  constructor(session, id, call) {
    super(session, id, call);
    this.credit = session.peerCredit;
    this.allowed = WINDOW;
    this.returned = 0;
  }

  start() {
    const opening = this.request();
    if (opening === undefined) return this.tooLarge();
    this.session.send(opening.bytes);
    if (!opening.whole) this.pump();
    return undefined;
  }

  // Sends some of `bytes` from `at` on, and says how many.
  async write(bytes, at) {
    while (this.credit === 0 && !this.over) await new Promise((resolve) => (this.wake = resolve));
    if (this.over) return 0;
    const n = Math.min(bytes.length - at, this.credit, this.pieceMax);
    this.credit -= n;
    this.session.send(frame((w) => e.writeData(w, this.id, bytes.subarray(at, at + n)), n + 24));
    return n;
  }

  finish() {
    this.session.send(frame((w) => e.writeId(w, e.END, this.id)));
  }

  credited(n) {
    this.credit = Math.min(this.credit + n, Number.MAX_SAFE_INTEGER);
    if (n > 0) this.wake?.();
  }

  data(bytes) {
    if (!this.answered) return this.session.fail(e.WIRE.unexpected, 'content without an answer that announces it');
    if (bytes.length > this.allowed) return this.session.fail(e.WIRE.flow, 'more content than there was credit for');
    this.allowed -= bytes.length;
    return this.call.content(bytes);
  }

  /** Half a window at a time: one CREDIT for many DATA. */
  consume(n) {
    if (this.over) return;
    this.returned += n;
    if (this.returned < WINDOW / 2) return;
    this.allowed += this.returned;
    this.session.send(frame((w) => e.writePair(w, e.CREDIT, this.id, this.returned)));
    this.returned = 0;
  }

  cancel(code) {
    if (this.over) return;
    this.session.send(frame((w) => e.writePair(w, e.CANCEL, this.id, code)));
    this.release();
  }

  // The end of a shared stream says only that no call follows.
  recall() {
    this.session.send(frame((w) => e.writePair(w, e.CANCEL, this.id, e.CANCELLED.gone)));
  }
}
