// Content of requests and answers: what a caller gives, as bytes to send; what came, as a value. Not here: how it
// travels.
import { bytesOf, decode, encode, isBytes } from './msgpack.js';

const utf8Writer = new TextEncoder();
const utf8 = new TextDecoder();

const isStream = (v) =>
  v !== null && typeof v === 'object' && !isBytes(v) &&
  (typeof v[Symbol.asyncIterator] === 'function' || typeof v.getReader === 'function');

/** What to send for a caller's `body`:
 * - `whole`: its msgpack, undefined for content that has no length yet;
 * - `type`: the content-type it needs when it travels in pieces;
 * - `pieces()`: an async iterator of its bytes; `once`: it can be asked for once. */
export function requestBody(body) {
  if (isStream(body)) return { pieces: () => piecesOf(body), once: true };
  if (typeof Blob !== 'undefined' && body instanceof Blob) return { pieces: () => piecesOf(body.stream()), once: false };
  if (isBytes(body)) return whole(encode(body), undefined, bytesOf(body));
  if (typeof body === 'string') return whole(encode(body), 'text/plain; charset=utf-8', utf8Writer.encode(body));
  const bytes = encode(body);
  return whole(bytes, 'application/msgpack', bytes);
}

const whole = (bytes, type, content) => ({ whole: bytes, type, pieces: () => onePiece(content), once: false });

async function* onePiece(bytes) {
  yield bytes;
}

function piecesOf(source) {
  const from = typeof source.getReader === 'function' ? readerOf(source) : source[Symbol.asyncIterator]();
  return {
    async next() {
      const { done, value } = await from.next();
      return done ? { done: true, value: undefined } : { done: false, value: pieceOf(value) };
    },
    async return() {
      await from.return?.();
      return { done: true, value: undefined };
    },
  };
}

function pieceOf(value) {
  if (typeof value === 'string') return utf8Writer.encode(value);
  if (isBytes(value)) return bytesOf(value);
  throw new TypeError(`content in pieces is bytes or text, not ${value === null ? 'null' : typeof value}`);
}

// A stream's own iterator would be told only after its next piece that no more is wanted; and not all browsers have it.
function readerOf(stream) {
  const reader = stream.getReader();
  return { next: () => reader.read(), return: () => reader.cancel() };
}

/** Content that came in pieces, as the value that it would have been in one: by its content-type. */
export function valueOf(bytes, type) {
  const kind = (type ?? '').split(';', 1)[0].trim().toLowerCase();
  if (kind === 'application/msgpack') return decode(bytes);
  return kind.startsWith('text/') ? utf8.decode(bytes) : bytes;
}

export function joined(pieces, total) {
  if (pieces.length === 1) return pieces[0];
  const out = new Uint8Array(total);
  let at = 0;
  for (const p of pieces) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Bytes of a body that came whole, for a reader who asked for a stream. */
export function bytesOfBody(body) {
  if (body.kind === 'none') return new Uint8Array(0);
  if (body.kind === 'text') return utf8Writer.encode(body.value);
  return body.kind === 'bytes' ? body.value.slice() : body.raw.slice();
}

export function textOf(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  return isBytes(value) ? utf8.decode(value) : JSON.stringify(value);
}
