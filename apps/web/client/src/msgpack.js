// msgpack: values to bytes and back, whole numbers exact. Not here: what the values mean (envelope.js).
import { WireError } from './errors.js';

export const DEPTH_MAX = 32;

/** A msgpack extension that is no timestamp. */
export class Ext {
  constructor(type, data) {
    this.type = type;
    this.data = data;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Writer = new TextEncoder();

export function bytesOf(v) {
  if (v instanceof Uint8Array) return v;
  if (ArrayBuffer.isView(v)) return new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
  return new Uint8Array(v);
}

export const isBytes = (v) => v instanceof ArrayBuffer || ArrayBuffer.isView(v);

export class Writer {
  constructor(room = 256) {
    this.bytes = new Uint8Array(room);
    this.view = new DataView(this.bytes.buffer);
    this.n = 0;
  }

  done() {
    return this.bytes.subarray(0, this.n);
  }

  // Makes room for `n` bytes and returns where they go.
  take(n) {
    const at = this.n;
    this.n += n;
    if (this.n > this.bytes.length) {
      const more = new Uint8Array(Math.max(this.n, 2 * this.bytes.length));
      more.set(this.bytes);
      this.bytes = more;
      this.view = new DataView(more.buffer);
    }
    return at;
  }

  u8(v) {
    const at = this.take(1);
    this.bytes[at] = v;
  }

  raw(bytes) {
    const at = this.take(bytes.length);
    this.bytes.set(bytes, at);
  }

  // A type's byte and a length or number of 1, 2 or 4 bytes behind it.
  sized(type, width, v) {
    this.u8(type);
    const at = this.take(width);
    if (width === 1) this.view.setUint8(at, v);
    else if (width === 2) this.view.setUint16(at, v);
    else this.view.setUint32(at, v);
  }

  // The shortest of three forms, which follow each other from `type` on. `from8`: there is one of a byte.
  head(type, n, from8 = true) {
    if (from8 && n < 0x100) this.sized(type, 1, n);
    else if (n < 0x10000) this.sized(type + (from8 ? 1 : 0), 2, n);
    else this.sized(type + (from8 ? 2 : 1), 4, n);
  }

  nil() {
    this.u8(0xc0);
  }

  uint(v) {
    if (v < 0x80) this.u8(Number(v));
    else if (v <= 0xffffffff) this.head(0xcc, Number(v));
    else {
      this.u8(0xcf);
      const at = this.take(8);
      this.view.setBigUint64(at, BigInt(v));
    }
  }

  int(v) {
    if (v >= 0) this.uint(v);
    else if (v >= -32) this.u8(Number(v) & 0xff);
    else if (v >= -0x80) this.sized(0xd0, 1, Number(v) & 0xff);
    else if (v >= -0x8000) this.sized(0xd1, 2, Number(v) & 0xffff);
    else if (v >= -0x80000000) this.sized(0xd2, 4, Number(v) >>> 0);
    else {
      this.u8(0xd3);
      const at = this.take(8);
      this.view.setBigInt64(at, BigInt(v));
    }
  }

  float(v) {
    this.u8(0xcb);
    const at = this.take(8);
    this.view.setFloat64(at, v);
  }

  str(v) {
    const bytes = utf8Writer.encode(v);
    if (bytes.length < 32) this.u8(0xa0 | bytes.length);
    else this.head(0xd9, bytes.length);
    this.raw(bytes);
  }

  binHead(n) {
    this.head(0xc4, n);
  }

  bin(bytes) {
    this.binHead(bytes.length);
    this.raw(bytes);
  }

  arrayHead(n) {
    if (n < 16) this.u8(0x90 | n);
    else this.head(0xdc, n, false);
  }

  mapHead(n) {
    if (n < 16) this.u8(0x80 | n);
    else this.head(0xde, n, false);
  }

  ext(type, data) {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.u8(0xd4 + fixed);
    else this.head(0xc7, data.length);
    this.u8(type & 0xff);
    this.raw(data);
  }

  time(date) {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw new TypeError('an invalid Date cannot be sent');
    const seconds = Math.floor(ms / 1000);
    const ns = (ms - seconds * 1000) * 1e6;
    const form = ns === 0 && seconds >= 0 && seconds <= 0xffffffff ? 4 : seconds >= 0 && seconds < 2 ** 34 ? 8 : 12;
    const data = new DataView(new ArrayBuffer(form));
    if (form === 4) data.setUint32(0, seconds);
    else if (form === 8) data.setBigUint64(0, (BigInt(ns) << 34n) | BigInt(seconds));
    else {
      data.setUint32(0, ns);
      data.setBigInt64(4, BigInt(seconds));
    }
    this.ext(-1, new Uint8Array(data.buffer));
  }

  bigint(v) {
    if (v < -(2n ** 63n) || v >= 2n ** 64n) throw new RangeError(`${v} has more than 64 bits`);
    this.int(v);
  }

  pairs(entries, depth) {
    this.mapHead(entries.length);
    for (const [k, v] of entries) {
      this.value(k, depth);
      this.value(v, depth);
    }
  }

  /** null and undefined: nil. Members that are undefined or functions are left out, as JSON.stringify() does. */
  value(v, depth = 0) {
    switch (typeof v) {
      case 'undefined': return this.nil();
      case 'boolean': return this.u8(v ? 0xc3 : 0xc2);
      case 'string': return this.str(v);
      case 'bigint': return this.bigint(v);
      case 'number': return Number.isSafeInteger(v) && !Object.is(v, -0) ? this.int(v) : this.float(v);
      case 'object': return v === null ? this.nil() : this.object(v, depth + 1);
      default: throw new TypeError(`a ${typeof v} cannot be sent`);
    }
  }

  object(v, depth) {
    if (isBytes(v)) return this.bin(bytesOf(v));
    if (v instanceof Date) return this.time(v);
    if (v instanceof Ext) return this.ext(v.type, bytesOf(v.data));
    if (typeof v.toJSON === 'function') return this.value(v.toJSON(), depth - 1);
    if (depth > DEPTH_MAX) throw new RangeError(`a value nests at most ${DEPTH_MAX} deep`);
    if (Array.isArray(v)) {
      this.arrayHead(v.length);
      for (const item of v) this.value(item, depth);
      return undefined;
    }
    if (v instanceof Map) return this.pairs([...v], depth);
    return this.pairs(Object.entries(v).filter(([, m]) => m !== undefined && typeof m !== 'function'), depth);
  }
}

export function encode(value) {
  const w = new Writer();
  w.value(value);
  return w.done();
}

const bad = (what) => new WireError('protocol', what);

export class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  get left() {
    return this.bytes.length - this.at;
  }

  take(n) {
    if (n > this.left) throw new WireError('truncated', 'the bytes end inside a value');
    const at = this.at;
    this.at += n;
    return at;
  }

  u8() {
    return this.bytes[this.take(1)];
  }

  peek() {
    if (this.left === 0) throw new WireError('truncated', 'the bytes end where a value should begin');
    return this.bytes[this.at];
  }

  number(width) {
    const at = this.take(width);
    if (width === 1) return this.view.getUint8(at);
    return width === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  big(signed) {
    const at = this.take(8);
    const v = signed ? this.view.getBigInt64(at) : this.view.getBigUint64(at);
    return v >= Number.MIN_SAFE_INTEGER && v <= Number.MAX_SAFE_INTEGER ? Number(v) : v;
  }

  nil() {
    if (this.peek() !== 0xc0) return false;
    this.at++;
    return true;
  }

  /** A whole number that is not negative, in whatever encoding; a bigint above 2^53. */
  uint(max) {
    const t = this.u8();
    let v;
    if (t < 0x80) v = t;
    else if (t >= 0xcc && t <= 0xce) v = this.number(1 << (t - 0xcc));
    else if (t === 0xcf) v = this.big(false);
    else if (t >= 0xd0 && t <= 0xd3) v = this.signed(t);
    if (v === undefined || v < 0) throw bad('a whole number, not negative, should stand here');
    if (max !== undefined && v > max) throw bad(`${v} is over ${max}`);
    return v;
  }

  signed(t) {
    if (t === 0xd3) return this.big(true);
    const width = 1 << (t - 0xd0);
    const at = this.take(width);
    if (width === 1) return this.view.getInt8(at);
    return width === 2 ? this.view.getInt16(at) : this.view.getInt32(at);
  }

  slice(n) {
    const at = this.take(n);
    return this.bytes.subarray(at, at + n);
  }

  text(n) {
    const bytes = this.slice(n);
    try {
      return utf8.decode(bytes);
    } catch {
      throw bad('a text is not UTF-8');
    }
  }

  // Length of one of three kinds: its fixed form (mask 0: none), then the forms with 1, 2, 4 bytes.
  lengthOf(t, fixed, mask, first, widths) {
    if (mask !== 0 && (t & ~mask & 0xff) === fixed) return t & mask;
    const i = t - first;
    return i >= 0 && i < widths.length ? this.number(widths[i]) : undefined;
  }

  str() {
    const n = this.lengthOf(this.u8(), 0xa0, 0x1f, 0xd9, [1, 2, 4]);
    if (n === undefined) throw bad('a text should stand here');
    return this.text(n);
  }

  bin() {
    const n = this.lengthOf(this.u8(), 0, 0, 0xc4, [1, 2, 4]);
    if (n === undefined) throw bad('bytes should stand here');
    return this.slice(n);
  }

  // Each element takes a byte at least, so a count over what is left is known to be wrong before any memory is taken.
  count(n, bytesEach) {
    if (n * bytesEach > this.left) throw new WireError('limit', `a count of ${n} is more than the bytes hold`);
    return n;
  }

  arrayHead() {
    const n = this.lengthOf(this.u8(), 0x90, 0x0f, 0xdc, [2, 4]);
    if (n === undefined) throw bad('an array should stand here');
    return this.count(n, 1);
  }

  mapHead() {
    const n = this.lengthOf(this.u8(), 0x80, 0x0f, 0xde, [2, 4]);
    if (n === undefined) throw bad('a map should stand here');
    return this.count(n, 2);
  }

  value(depth = 0) {
    const t = this.peek();
    if (t < 0x80) return this.u8();
    if (t >= 0xe0) return this.u8() - 0x100;
    if (t < 0x90 || t === 0xde || t === 0xdf) return this.map(depth + 1);
    if (t < 0xa0 || t === 0xdc || t === 0xdd) return this.array(depth + 1);
    if (t < 0xc0 || (t >= 0xd9 && t <= 0xdb)) return this.str();
    if (t >= 0xc4 && t <= 0xc6) return this.bin().slice(); // what is given out has memory of its own
    this.at++;
    if (t === 0xc0) return null;
    if (t === 0xc2 || t === 0xc3) return t === 0xc3;
    if (t >= 0xc7 && t <= 0xc9) return this.ext(this.number(1 << (t - 0xc7)));
    if (t === 0xca) return this.view.getFloat32(this.take(4));
    if (t === 0xcb) return this.view.getFloat64(this.take(8));
    if (t >= 0xcc && t <= 0xce) return this.number(1 << (t - 0xcc));
    if (t === 0xcf) return this.big(false);
    if (t >= 0xd0 && t <= 0xd3) return this.signed(t);
    if (t >= 0xd4 && t <= 0xd8) return this.ext(1 << (t - 0xd4));
    throw bad('0xc1 means nothing');
  }

  deeper(depth) {
    if (depth > DEPTH_MAX) throw new WireError('depth', `a value nests more than ${DEPTH_MAX} deep`);
  }

  array(depth) {
    this.deeper(depth);
    const n = this.arrayHead();
    const out = [];
    for (let i = 0; i < n; i++) out.push(this.value(depth));
    return out;
  }

  // An object where every key is text, else a Map. `__proto__` is a key like others.
  map(depth) {
    this.deeper(depth);
    const n = this.mapHead();
    const pairs = [];
    let texts = true;
    for (let i = 0; i < n; i++) {
      const key = this.value(depth);
      texts = texts && typeof key === 'string';
      pairs.push([key, this.value(depth)]);
    }
    return texts ? Object.fromEntries(pairs) : new Map(pairs);
  }

  ext(n) {
    const type = (this.u8() << 24) >> 24;
    const data = this.slice(n).slice();
    return (type === -1 && timeOf(data)) || new Ext(type, data);
  }
}

// Undefined for what a Date does not hold to the millisecond: that stays an Ext.
function timeOf(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let seconds, ns = 0;
  if (data.length === 4) seconds = view.getUint32(0);
  else if (data.length === 8) {
    const v = view.getBigUint64(0);
    seconds = Number(v & ((1n << 34n) - 1n));
    ns = Number(v >> 34n);
  } else if (data.length === 12) {
    ns = view.getUint32(0);
    seconds = Number(view.getBigInt64(4));
  } else return undefined;
  const ms = seconds * 1000 + ns / 1e6;
  return Number.isInteger(ms) && Math.abs(ms) <= 8.64e15 && ns < 1e9 ? new Date(ms) : undefined;
}

/** One value and nothing behind it. */
export function decode(bytes) {
  const r = new Reader(bytes);
  const v = r.value();
  if (r.left > 0) throw bad('bytes stand behind the value');
  return v;
}
