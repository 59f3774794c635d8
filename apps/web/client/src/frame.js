// Frames: the eight bytes in front of each body, and finding them in a stream of bytes. Not here: bodies
// (envelope.js). docs/protocol.md has the format.
import { WireError } from './errors.js';
import { Writer } from './msgpack.js';

export const FRAME_MAX = 1 << 20;
const HEADER = 8;
const CHECKSUM = 1; // the only flag

const table = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  table[i] = c;
}

export function crc32c(bytes) {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** A frame whose body `write(w)` writes; `room`: about how long it is. Never with a checksum: what lies
 * below is TLS or QUIC, or the loopback. */
export function frame(write, room = 248) {
  const w = new Writer(HEADER + room);
  w.take(HEADER);
  write(w);
  w.view.setUint32(0, 0xcafe0100);
  w.view.setUint32(3, w.n - HEADER + 1);
  w.bytes[7] = 0;
  return w.done();
}

/** Cuts a stream of bytes into frames, however it comes in pieces. */
export class FrameParser {
  constructor(limit = FRAME_MAX) {
    this.limit = limit;
    this.rest = new Uint8Array(0); // of a frame that is not whole yet: `have` bytes
    this.have = 0;
  }

  /** Calls `got(body, flags)` for each whole frame; a body is a view that stands for the call only, or longer
   * when the piece's own buffer does. Throws a WireError, after which the stream is of no use any more. */
  push(piece, got) {
    const own = this.have > 0;
    const bytes = own ? this.joined(piece) : piece;
    let at = 0;
    for (;;) {
      const n = this.frameAt(bytes, at);
      if (n === undefined) break;
      got(this.bodyAt(bytes, at, n), bytes[at + 7]);
      at += n;
    }
    this.keep(bytes, at, own);
  }

  joined(piece) {
    const all = this.have + piece.length;
    if (all > this.rest.length) this.grow(all);
    this.rest.set(piece, this.have);
    const bytes = this.rest.subarray(0, all);
    this.rest = new Uint8Array(0); // its bodies may be kept, so it is not written to again
    this.have = 0;
    return bytes;
  }

  grow(size) {
    const more = new Uint8Array(Math.max(size, Math.min(2 * this.rest.length, this.limit + 7)));
    more.set(this.rest.subarray(0, this.have));
    this.rest = more;
  }

  // What was joined and still is no whole frame goes on in the same memory.
  keep(bytes, at, own) {
    const left = bytes.length - at;
    if (left === 0) return;
    this.rest = own && at === 0 ? new Uint8Array(bytes.buffer) : bytes.slice(at);
    this.have = left;
  }

  // Length of the whole frame at `at`, undefined when its end is not there; every field is checked as soon as it is.
  frameAt(bytes, at) {
    const left = bytes.length - at;
    if (left > 0 && bytes[at] !== 0xca) throw new WireError('magic', 'what came is no frame');
    if (left > 1 && bytes[at + 1] !== 0xfe) throw new WireError('magic', 'what came is no frame');
    if (left > 2 && bytes[at + 2] !== 1) {
      throw new WireError('version', `the peer speaks version ${bytes[at + 2]}, this client 1`);
    }
    if (left < 7) return undefined;
    const length = ((bytes[at + 3] << 24) | (bytes[at + 4] << 16) | (bytes[at + 5] << 8) | bytes[at + 6]) >>> 0;
    if (length > this.limit) throw new WireError('too_big', `a frame of ${length} bytes; ${this.limit} are accepted`);
    if (length < 1) throw new WireError('protocol', 'a frame without flags');
    if (left < HEADER) return undefined;
    const flags = bytes[at + 7];
    if ((flags & ~CHECKSUM) !== 0) throw new WireError('protocol', `unknown flags ${flags}`);
    if ((flags & CHECKSUM) !== 0 && length < 5) throw new WireError('protocol', 'no room for the checksum');
    return left < 7 + length ? undefined : 7 + length;
  }

  bodyAt(bytes, at, n) {
    if ((bytes[at + 7] & CHECKSUM) === 0) return bytes.subarray(at + HEADER, at + n);
    const end = at + n - 4;
    const view = new DataView(bytes.buffer, bytes.byteOffset + end, 4);
    if (view.getUint32(0) !== crc32c(bytes.subarray(at + 7, end))) {
      throw new WireError('checksum', 'a frame was changed on its way');
    }
    return bytes.subarray(at + HEADER, end);
  }
}
