// The frame layer as docs/protocol.md has it, written without a look at the C code.
import { decode, encode } from '@msgpack/msgpack';

export function frame(body) {
  const out = new Uint8Array(8 + body.length);
  const view = new DataView(out.buffer);
  view.setUint16(0, 0xcafe);
  view.setUint8(2, 1);
  view.setUint32(3, 1 + body.length);
  view.setUint8(7, 0);
  out.set(body, 8);
  return out;
}

export const message = (...fields) => frame(encode(fields));

// Splits bytes into frames; `rest` is what does not make a whole one yet.
export function split(bytes) {
  const found = [];
  let at = 0;
  while (bytes.length - at >= 7) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    if (view.getUint16(0) !== 0xcafe) throw new Error(`magic at byte ${at}`);
    if (view.getUint8(2) !== 1) throw new Error(`version at byte ${at}`);
    const length = view.getUint32(3);
    if (bytes.length - at < 7 + length) break;
    if (view.getUint8(7) !== 0) throw new Error(`flags at byte ${at}`);
    found.push(bytes.subarray(at + 8, at + 7 + length));
    at += 7 + length;
  }
  return { found, rest: bytes.subarray(at) };
}

export const parse = (body) => decode(body);
