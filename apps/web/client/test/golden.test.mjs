// The wire vectors of tests/golden, for every writer and reader of this client.
import assert from 'node:assert/strict';
import test from 'node:test';
import { cases } from '../../../../tests/interop/golden.mjs';
import * as e from '../src/envelope.js';
import { crc32c, FrameParser, frame } from '../src/frame.js';
import { decode, encode, Writer } from '../src/msgpack.js';

const hex = (b) => Buffer.from(b.buffer, b.byteOffset, b.length).toString('hex');
const short = (b) => (b.length <= 64 ? hex(b) : `(${b.length}) crc32c=${crc32c(b).toString(16).padStart(8, '0')}`);

function quoted(text) {
  let out = '';
  for (const c of Buffer.from(text)) {
    const plain = c >= 0x20 && c < 0x7f && c !== 0x22 && c !== 0x5c;
    out += plain ? String.fromCharCode(c) : `\\x${c.toString(16).padStart(2, '0')}`;
  }
  return `"${out}"`;
}

const written = (write) => {
  const w = new Writer();
  write(w);
  return w.done();
};

function results(bytes, limit, size) {
  const parser = new FrameParser(limit);
  const out = [];
  try {
    for (let at = 0; at < bytes.length; at += size) {
      parser.push(bytes.slice(at, at + size), (body, flags) =>
        out.push(`frame flags=${flags.toString(16).padStart(2, '0')} body=${short(body)}`));
    }
    if (parser.have > 0) out.push('more');
  } catch (error) {
    out.push(`error ${error.code}`);
  }
  return out;
}

test('frames.txt, whole, byte by byte and in thirds', () => {
  for (const c of cases('frames.txt')) {
    const limit = c.limit === undefined ? undefined : Number(c.limit[0]);
    const want = c.expect.filter((x, i) => x !== 'more' || i === c.expect.length - 1);
    for (const size of [c.bytes.length, Math.ceil(c.bytes.length / 3), c.bytes.length > 10000 ? 999 : 1]) {
      assert.deepEqual(results(c.bytes, limit, size), want, `${c.name}, ${size} bytes at a time`);
    }
  }
});

const names = ['HELLO', 'WELCOME', 'REQ', 'RES', 'DATA', 'END', 'CANCEL', 'CREDIT', 'SUB', 'UNSUB', 'PUB', 'ACK', 'EVENT',
  'PING', 'PONG', 'GOAWAY', 'ERROR', 'GAP', 'DONE'];

function headers(list) {
  if (list.length > 16) return `headers=${list.length}`;
  return `headers={${list.map(([k, v]) => `${quoted(k)}: ${quoted(v)}`).join(', ')}}`;
}

function body(b) {
  if (b.kind === 'none' || b.kind === 'follows') return `body=${b.kind}`;
  const bytes = b.kind === 'text' ? Buffer.from(b.value) : b.kind === 'bytes' ? b.value : b.raw;
  return `body=${b.kind} ${short(bytes)}`.trimEnd();
}

const keyed = (o, order) =>
  order.filter((k) => o[k] !== undefined && o[k] !== false).map((k) => {
    const v = o[k];
    return `${k}=${typeof v === 'string' ? quoted(v) : v instanceof Uint8Array ? hex(v) : v}`;
  });

const helloKeys = ['v', 'agent', 'auth', 'session', 'token', 'resume', 'epoch', 'resumed', 'offsets', 'ping_ms', 'credit',
  'calls', 'max_frame'];

function described(m) {
  if (m.unknown) return `error unknown${m.id === null ? '' : ` id=${m.id}`}`;
  const out = [names[m.kind]];
  if (m.id !== undefined && m.id !== null) out.push(`id=${m.id}`);
  if (m.method !== undefined) out.push(`method=${quoted(m.method)} path=${quoted(m.path)}`);
  if (m.status !== undefined) out.push(`status=${m.status}`);
  if (m.code !== undefined) out.push(`code=${m.code}`);
  if (m.credit !== undefined) out.push(`credit=${m.credit}`);
  if (m.lastId !== undefined) out.push(`last_id=${m.lastId} grace_ms=${m.graceMs}`);
  if (m.text !== undefined) out.push(`text=${quoted(m.text ?? '')}`);
  if (m.options !== undefined) out.push(...keyed(m.options, helloKeys));
  if (m.epoch !== undefined) out.push(`epoch=${m.epoch} offset=${m.offset}`);
  if (m.missed !== undefined) out.push(`missed=${m.missed}`);
  if (m.headers !== undefined) out.push(headers(m.headers));
  if (m.body !== undefined) out.push(body(m.body));
  if (m.data !== undefined) out.push(`body=bytes ${short(m.data)}`.trimEnd());
  if (m.opaque !== undefined) out.push(`opaque=${hex(m.opaque)}`);
  return out.join(' ');
}

function read(bytes) {
  try {
    return described(e.readEnvelope(bytes));
  } catch (error) {
    if (error.name !== 'WireError') throw error;
    return `error ${error.code}`;
  }
}

// What servers alone read: SUB, which has new keys from time to time.
const isForServers = (bytes) => bytes[1] === e.SUB;

test('envelopes.txt is read', () => {
  for (const c of cases('envelopes.txt')) if (!isForServers(c.bytes)) assert.equal(read(c.bytes), c.expect[0], c.name);
});

function wholeBody(b) {
  if (b.kind === 'follows') return undefined;
  return b.kind === 'value' ? b.raw : encode(b.value);
}

// Undefined: a kind that clients do not write.
function rewrite(m) {
  switch (m.kind) {
    case e.HELLO:
    case e.WELCOME: return (w) => e.writeHello(w, m.kind, order(m.options));
    case e.REQ: return (w) => e.writeReq(w, m.id, m.method, m.path, m.headers, wholeBody(m.body));
    case e.DATA: return (w) => e.writeData(w, m.id, m.data);
    case e.END: return m.headers.length > 0 ? undefined : (w) => e.writeId(w, e.END, m.id);
    case e.UNSUB: return (w) => e.writeId(w, e.UNSUB, m.id);
    case e.PUB: return (w) => e.writePub(w, m.id, m.text, m.headers, wholeBody(m.body));
    case e.CANCEL: return (w) => e.writePair(w, e.CANCEL, m.id, m.code);
    case e.CREDIT:
    case e.DONE: return (w) => e.writePair(w, m.kind, m.id, m.credit);
    case e.GOAWAY: return m.text === null ? (w) => e.writeGoAway(w, m.lastId, m.graceMs) : undefined;
    case e.PING:
    case e.PONG: return (w) => e.writePing(w, m.kind, m.opaque);
    case e.ERROR: return (w) => e.writeError(w, m.id, m.code, m.text);
    default: return undefined;
  }
}

function order(options) {
  const { offsets, ...rest } = options;
  if (offsets === undefined) return rest;
  const out = {};
  for (const [k, v] of Object.entries(options)) out[k] = k === 'offsets' ? decode(v) : v;
  return out;
}

test('envelopes.txt is written, byte by byte the same', () => {
  let count = 0;
  for (const c of cases('envelopes.txt')) {
    if (c.expect[0].startsWith('error') || c.canonical?.[0] === 'no') continue;
    const write = rewrite(e.readEnvelope(c.bytes));
    if (write === undefined) continue;
    assert.equal(hex(written(write)), hex(c.bytes), c.name);
    const framed = frame(write);
    const parser = new FrameParser();
    parser.push(framed, (b) => assert.equal(hex(b), hex(c.bytes)));
    count++;
  }
  assert(count > 50, `${count} cases were written`);
});

test('values of json.txt survive being read and written', () => {
  let count = 0;
  for (const c of cases('json.txt')) {
    if (c.error !== undefined || c.way !== undefined || c.bytes.length === 0) continue;
    // A float without a fraction leaves as an integer, and of a key that stands twice the last one counts.
    if (c.bytes[0] === 0xcb || c.name === 'keys of all sorts are not compared') continue;
    assert.equal(hex(encode(decode(c.bytes))), hex(c.bytes), c.name);
    count++;
  }
  assert(count > 40, `${count} cases`);
});

test('bytes that were changed anywhere are a message or a WireError, never anything else', () => {
  let seed = 1;
  const upTo = (n) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
  const all = cases('envelopes.txt').filter((c) => c.bytes.length < 2000);
  for (let i = 0; i < 50_000; i++) {
    const bytes = all[upTo(all.length)].bytes.slice();
    for (let k = upTo(4); k >= 0; k--) bytes[upTo(bytes.length)] = upTo(256);
    const cut = upTo(4) === 0 ? bytes.subarray(0, upTo(bytes.length + 1)) : bytes;
    const parser = new FrameParser(4096);
    const framed = Uint8Array.of(0xca, 0xfe, 1, 0, 0, upTo(16), upTo(256), upTo(3), ...cut);
    for (const attempt of [() => e.readEnvelope(cut), () => parser.push(upTo(2) === 0 ? cut : framed, e.readEnvelope)]) {
      try {
        attempt();
      } catch (error) {
        if (error.name !== 'WireError') throw error;
      }
    }
  }
});
