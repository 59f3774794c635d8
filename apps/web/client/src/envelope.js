// What stands in a frame's body: [kind, fields...]. Reading for every kind, writing for those that clients send.
// Not here: what follows from a message (session.js). docs/protocol.md has the fields.
import { WireError } from './errors.js';
import { Reader } from './msgpack.js';

export const HELLO = 0, WELCOME = 1, REQ = 2, RES = 3, DATA = 4, END = 5, CANCEL = 6, CREDIT = 7, SUB = 8, UNSUB = 9,
  PUB = 10, ACK = 11, EVENT = 12, PING = 13, PONG = 14, GOAWAY = 15, ERROR = 16, GAP = 17, DONE = 18;

// Codes of ERROR that this client says or acts upon.
export const WIRE = { frame: 1, version: 2, tooLarge: 3, malformed: 4, unexpected: 5, limit: 6, unknownKind: 7,
  idle: 8, shutdown: 9, internal: 10, denied: 11, flow: 12, lost: 14 };
export const CANCELLED = { unwanted: 0, deadline: 1, gone: 2, internal: 3, refused: 4 };

const HEADERS_MAX = 256;
const U32 = 0xffffffff;
const bad = (what) => new WireError('protocol', what);

export const isHeaderName = (name) => /^[!-9;-~]+$/.test(name); // visible ASCII without a colon
export const isHeaderValue = (value) => !/[\0-\x08\x0a-\x1f\x7f]/.test(value);

function headers(r) {
  if (r.nil()) return [];
  const n = r.mapHead();
  if (n > HEADERS_MAX) throw new WireError('limit', `${n} headers; ${HEADERS_MAX} are accepted`);
  const out = [];
  for (let i = 0; i < n; i++) {
    const name = r.str(), value = r.str();
    if (!isHeaderName(name) || !isHeaderValue(value)) throw bad('a header with characters that none may have');
    out.push([name, value]);
  }
  return out;
}

// {kind: 'none' | 'text' | 'bytes' | 'value', value}; of a value also its bytes, `raw`.
function body(r) {
  const from = r.at;
  const t = r.peek();
  const value = r.value();
  if (value === null) return { kind: 'none', value: null };
  if (typeof value === 'string') return { kind: 'text', value };
  if (t >= 0xc4 && t <= 0xc6) return { kind: 'bytes', value };
  return { kind: 'value', value, raw: r.bytes.subarray(from, r.at) };
}

const FOLLOWS = { kind: 'follows', value: undefined };

// A map whose known keys have readers; unknown ones are passed over, known ones stand once.
function options(r, known) {
  const out = {};
  const n = r.mapHead();
  for (let i = 0; i < n; i++) {
    const key = r.str();
    const read = Object.hasOwn(known, key) ? known[key] : undefined;
    if (read !== undefined && Object.hasOwn(out, key)) throw bad(`${key} stands twice`);
    if (read === undefined) r.value(1);
    else out[key] = read(r);
  }
  return out;
}

function bool(r) {
  const v = r.value();
  if (typeof v !== 'boolean') throw bad('true or false should stand here');
  return v;
}

const text = (r) => r.str(), u32 = (r) => r.uint(U32), u64 = (r) => r.uint();

function rawValue(r) {
  const from = r.at;
  r.value(1);
  return r.bytes.subarray(from, r.at);
}

const both = { v: u32, agent: text, credit: u64, calls: u32, max_frame: u32 };
const ofHello = { ...both, auth: text, resume: text, offsets: rawValue };
const ofWelcome = { ...both, session: text, token: text, epoch: u64, resumed: bool, ping_ms: u32 };

function status(r) {
  const v = r.uint(999);
  if (v < 100) throw bad(`${v} is no status`);
  return v;
}

function opaque(r) {
  const v = r.bin();
  if (v.length !== 8) throw bad('a ping carries 8 bytes');
  return v;
}

const maybe = (r, read) => (r.nil() ? null : read(r));

// Elements behind the kind, fewest and most, and their reader.
const kinds = [
  [1, 1, (r) => ({ options: options(r, ofHello) })],
  [1, 1, (r) => ({ options: options(r, ofWelcome) })],
  [4, 5, (r, n) => ({ id: r.uint(), method: r.str(), path: r.str(), headers: headers(r), body: n > 4 ? body(r) : FOLLOWS })],
  [3, 4, (r, n) => ({ id: r.uint(), status: status(r), headers: headers(r), body: n > 3 ? body(r) : FOLLOWS })],
  [2, 2, (r) => ({ id: r.uint(), data: r.bin() })],
  [1, 2, (r, n) => ({ id: r.uint(), headers: n > 1 ? headers(r) : [] })],
  [2, 2, (r) => ({ id: r.uint(), code: r.uint() })],
  [2, 2, (r) => ({ id: r.uint(), credit: r.uint() })],
  [3, 3, (r) => ({ id: r.uint(), text: r.str(), options: r.value() })], // which no server sends
  [1, 1, (r) => ({ id: r.uint() })],
  [4, 4, (r) => ({ id: maybe(r, u64), text: r.str(), headers: headers(r), body: body(r) })],
  [3, 3, (r) => ({ id: r.uint(), epoch: r.uint(), offset: r.uint() })],
  [6, 6, (r) => ({ id: r.uint(), text: r.str(), epoch: r.uint(), offset: r.uint(), headers: headers(r), body: body(r) })],
  [1, 1, (r) => ({ opaque: opaque(r) })],
  [1, 1, (r) => ({ opaque: opaque(r) })],
  [3, 3, (r) => ({ lastId: r.uint(), graceMs: r.uint(), text: maybe(r, text) })],
  [3, 3, (r) => ({ id: maybe(r, u64), code: r.uint(), text: r.str() })],
  [5, 5, (r) => ({ id: r.uint(), text: maybe(r, text), epoch: r.uint(), offset: r.uint(), missed: r.uint() })],
  [2, 2, (r) => ({ id: r.uint(), credit: r.uint() })],
];

// Kinds that are not known are added by later versions: well formed, they are no error.
function unknown(r, kind, n) {
  let id = null;
  for (let i = 0; i < n; i++) {
    const v = r.value();
    if (i === 0 && (typeof v === 'number' || typeof v === 'bigint') && v >= 0) id = v;
  }
  return { kind, unknown: true, id };
}

/** The message in a frame's body. Bytes in it are views of `bytes`. Throws a WireError. */
export function readEnvelope(bytes) {
  const r = new Reader(bytes);
  const n = r.arrayHead() - 1;
  if (n < 0) throw bad('an empty array');
  const kind = r.uint(0x7fffffff);
  const known = kinds[kind];
  if (known !== undefined && (n < known[0] || n > known[1])) throw bad(`kind ${kind} with ${n} fields`);
  const e = known === undefined ? unknown(r, kind, n) : { kind, ...known[2](r, n) };
  if (r.left > 0) throw bad('bytes stand behind the array');
  return e;
}

function writeHeaders(w, list) {
  if (list.length === 0) return w.nil();
  w.mapHead(list.length);
  for (const [name, value] of list) {
    w.str(name);
    w.str(value);
  }
  return undefined;
}

function start(w, n, kind) {
  w.arrayHead(n);
  w.uint(kind);
}

/** HELLO or WELCOME: only keys that have a value are written. */
export function writeHello(w, kind, options) {
  const set = Object.entries(options).filter(([, v]) => v !== undefined);
  start(w, 2, kind);
  w.mapHead(set.length);
  for (const [key, v] of set) {
    w.str(key);
    w.value(v);
  }
}

/** `body`: msgpack of the whole content, undefined when content follows. */
export function writeReq(w, id, method, path, list, body) {
  start(w, body === undefined ? 5 : 6, REQ);
  w.uint(id);
  w.str(method);
  w.str(path);
  writeHeaders(w, list);
  if (body !== undefined) w.raw(body);
}

export function writeData(w, id, bytes) {
  start(w, 3, DATA);
  w.uint(id);
  w.bin(bytes);
}

/** END, UNSUB. */
export function writeId(w, kind, id) {
  start(w, 2, kind);
  w.uint(id);
}

/** options: those that are undefined are left out. */
export function writeSub(w, id, pattern, options) {
  start(w, 4, SUB);
  w.uint(id);
  w.str(pattern);
  w.value(options);
}

/** id: null when it is not to be acknowledged; `body`: msgpack. */
export function writePub(w, id, topic, list, body) {
  start(w, 5, PUB);
  if (id === null) w.nil();
  else w.uint(id);
  w.str(topic);
  writeHeaders(w, list);
  w.raw(body);
}

/** CANCEL with a code, CREDIT with a number of bytes or events, DONE with a number of ids. */
export function writePair(w, kind, id, n) {
  start(w, 3, kind);
  w.uint(id);
  w.uint(n);
}

export function writeGoAway(w, lastId, graceMs) {
  start(w, 4, GOAWAY);
  w.uint(lastId);
  w.uint(graceMs);
  w.nil();
}

export function writePing(w, kind, bytes) {
  start(w, 2, kind);
  w.bin(bytes);
}

export function writeError(w, id, code, message) {
  start(w, 4, ERROR);
  if (id === null) w.nil();
  else w.uint(id);
  w.uint(code);
  w.str(message);
}
