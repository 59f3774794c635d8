// herz/1 frames (docs/protocol.md), as much of them as trying a route takes: encode, cut out of a stream of
// bytes, show. Not here: connections (tryit.js). Maps are lists of pairs, for a name may come twice.

export class Pairs {
  constructor(list) {
    this.list = list;
  }
}

const MAGIC = [0xca, 0xfe];
const VERSION = 1;
const HEAD = 7; // magic, version, length
const FRAME_MAX = 1 << 20;

export const KIND = { REQ: 2, RES: 3, DATA: 4, END: 5, CANCEL: 6, CREDIT: 7, ERROR: 16 };
const NAMES = [
  'HELLO', 'WELCOME', 'REQ', 'RES', 'DATA', 'END', 'CANCEL', 'CREDIT', 'SUB', 'UNSUB', 'PUB', 'ACK', 'EVENT', 'PING',
  'PONG', 'GOAWAY', 'ERROR', 'GAP', 'DONE',
];

// ---- msgpack, out ----

function put(out, v) {
  if (v === null || v === undefined) out.push(0xc0);
  else if (typeof v === 'boolean') out.push(v ? 0xc3 : 0xc2);
  else if (typeof v === 'number') putUint(out, v);
  else if (typeof v === 'string') putSized(out, new TextEncoder().encode(v), 0xa0, 32, [0xd9, 0xda, 0xdb]);
  else if (v instanceof Uint8Array) putSized(out, v, 0, 0, [0xc4, 0xc5, 0xc6]);
  else if (v instanceof Pairs) {
    putCount(out, v.list.length, 0x80, 0xde);
    for (const [name, value] of v.list) put(put(out, name), value);
  } else {
    putCount(out, v.length, 0x90, 0xdc);
    for (const item of v) put(out, item);
  }
  return out;
}

const big = (n, bytes) => Array.from({ length: bytes }, (_, i) => Math.floor(n / 256 ** (bytes - 1 - i)) % 256);

function putUint(out, n) {
  if (n < 0x80) out.push(n);
  else if (n < 0x100) out.push(0xcc, n);
  else if (n < 0x10000) out.push(0xcd, ...big(n, 2));
  else if (n < 0x100000000) out.push(0xce, ...big(n, 4));
  else out.push(0xcf, ...big(n, 8));
}

function putSized(out, bytes, fix, fixRoom, [one, two, four]) {
  const n = bytes.length;
  if (n < fixRoom) out.push(fix | n);
  else if (n < 0x100) out.push(one, n);
  else if (n < 0x10000) out.push(two, ...big(n, 2));
  else out.push(four, ...big(n, 4));
  for (const b of bytes) out.push(b);
}

function putCount(out, n, fix, two) {
  if (n < 16) out.push(fix | n);
  else out.push(two, ...big(n, 2));
}

// One frame around the array [kind, fields...].
export function encode(body) {
  const inside = put([], body);
  return Uint8Array.from([...MAGIC, VERSION, ...big(inside.length + 1, 4), 0, ...inside]);
}

// ---- msgpack, in ----

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = 0;
  }
  take(n) {
    if (n > this.bytes.length - this.at) throw new Error('a value ends too early');
    this.at += n;
    return this.at - n;
  }
  uint(n) {
    const at = this.take(n);
    let v = 0;
    for (let i = at; i < at + n; i++) v = v * 256 + this.bytes[i];
    return v;
  }
  slice(n) {
    const at = this.take(n);
    return this.bytes.subarray(at, at + n);
  }
  text(n) {
    return new TextDecoder().decode(this.slice(n));
  }
  list(n, depth) {
    if (n > this.bytes.length - this.at) throw new Error('a count is larger than what is left');
    return Array.from({ length: n }, () => this.value(depth + 1));
  }
  pairs(n, depth) {
    if (2 * n > this.bytes.length - this.at) throw new Error('a count is larger than what is left');
    return new Pairs(Array.from({ length: n }, () => [this.value(depth + 1), this.value(depth + 1)]));
  }
  value(depth = 0) {
    if (depth > 33) throw new Error('nested too deep');
    const b = this.uint(1);
    if (b < 0x80) return b;
    if (b < 0x90) return this.pairs(b & 15, depth);
    if (b < 0xa0) return this.list(b & 15, depth);
    if (b < 0xc0) return this.text(b & 31);
    if (b >= 0xe0) return b - 256;
    switch (b) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.slice(this.uint(1 << (b - 0xc4)));
      case 0xc7: case 0xc8: case 0xc9: return this.slice(this.uint(1 << (b - 0xc7)) + 1); // ext: its type, too
      case 0xca: return this.view.getFloat32(this.take(4));
      case 0xcb: return this.view.getFloat64(this.take(8));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return this.uint(1 << (b - 0xcc));
      case 0xd0: return this.view.getInt8(this.take(1));
      case 0xd1: return this.view.getInt16(this.take(2));
      case 0xd2: return this.view.getInt32(this.take(4));
      case 0xd3: return Number(this.view.getBigInt64(this.take(8)));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return this.slice((1 << (b - 0xd4)) + 1);
      case 0xd9: case 0xda: case 0xdb: return this.text(this.uint(1 << (b - 0xd9)));
      case 0xdc: case 0xdd: return this.list(this.uint(2 << (b - 0xdc)), depth);
      case 0xde: case 0xdf: return this.pairs(this.uint(2 << (b - 0xde)), depth);
      default: throw new Error(`no msgpack: 0x${b.toString(16)}`);
    }
  }
}

// Takes bytes as they come and gives back whole frames: { bytes, body }.
export class Cutter {
  constructor() {
    this.held = new Uint8Array(0);
  }
  feed(more) {
    const all = new Uint8Array(this.held.length + more.length);
    all.set(this.held);
    all.set(more, this.held.length);
    const frames = [];
    let at = 0;
    for (;;) {
      [...MAGIC, VERSION].forEach((want, i) => {
        const got = all[at + i] ?? want;
        if (got !== want) throw new Error(i < 2 ? 'these bytes are no frame' : `a frame of version ${got}`);
      });
      if (all.length - at < HEAD) break;
      const length = new DataView(all.buffer, at, HEAD).getUint32(3);
      if (length < 1 || length > FRAME_MAX) throw new Error(`a frame of ${length} bytes`);
      if (all.length - at < HEAD + length) break;
      const bytes = all.slice(at, at + HEAD + length);
      const trailer = (bytes[HEAD] & 1) * 4;
      frames.push({ bytes, body: new Reader(bytes.subarray(HEAD + 1, bytes.length - trailer)).value() });
      at += HEAD + length;
    }
    this.held = all.slice(at);
    return frames;
  }
}

// ---- to be read ----

export function show(v) {
  if (v === null || v === undefined) return 'nil';
  if (v instanceof Uint8Array) return `bin(${v.length})`;
  if (v instanceof Pairs) return `{${v.list.map(([k, x]) => `${show(k)}: ${show(x)}`).join(', ')}}`;
  if (Array.isArray(v)) return `[${v.map(show).join(', ')}]`;
  return typeof v === 'string' ? JSON.stringify(v) : String(v);
}

// "RES 1, 200, {}, {"id": "42"}"
export function title(body) {
  const [kind, ...fields] = body;
  const text = `${NAMES[kind] ?? `kind ${kind}`} ${fields.map(show).join(', ')}`;
  return text.length > 160 ? `${text.slice(0, 159)}…` : text;
}

// A value as JSON says it; what JSON has no word for as text.
export function plain(v) {
  if (v instanceof Pairs) return Object.fromEntries(v.list.map(([k, x]) => [String(k), plain(x)]));
  if (Array.isArray(v)) return v.map(plain);
  return v instanceof Uint8Array ? show(v) : v;
}

// Offset, bytes, characters: `width` bytes a line, at most `max` bytes.
export function dump(bytes, width, max = 1024) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, max); at += width) {
    const row = bytes.subarray(at, Math.min(at + width, bytes.length));
    const hex = Array.from(row, (b) => b.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(row, (b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(width * 3 - 1)}  ${text}`);
  }
  if (bytes.length > max) lines.push(`… ${bytes.length - max} bytes more`);
  return lines.join('\n');
}
