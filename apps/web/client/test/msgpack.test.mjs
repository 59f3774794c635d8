// Another library judges the codec: what one writes the other reads. And the values that JavaScript has of its own.
import assert from 'node:assert/strict';
import test from 'node:test';
import * as other from '@msgpack/msgpack';
import { decode, encode, Ext } from '../src/msgpack.js';

// xorshift: the same values every time.
let seed = 0x2545f491;
function random() {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) / 2 ** 32;
}
const upTo = (n) => Math.floor(random() * n);

function value(depth) {
  const kind = upTo(depth > 4 ? 7 : 9);
  switch (kind) {
    case 0: return null;
    case 1: return random() < 0.5;
    case 2: return Math.floor((random() - 0.5) * 2 ** upTo(54));
    case 3: return random() * 10 ** upTo(20);
    case 4: return 'ü🎈x'.repeat(upTo(30)).slice(0, upTo(60)).replace(/[\ud800-\udbff]$/, '');
    case 5: return Uint8Array.from({ length: upTo(300) }, () => upTo(256));
    case 6: return new Date(upTo(2 ** 41) - 2 ** 40);
    case 7: return Array.from({ length: upTo(20) }, () => value(depth + 1));
    default: return Object.fromEntries(Array.from({ length: upTo(20) }, (_, i) => [`k${i}`, value(depth + 1)]));
  }
}

test('2,000 random values, both ways, against @msgpack/msgpack', () => {
  for (let i = 0; i < 2000; i++) {
    const v = value(0);
    assert.deepEqual(decode(encode(v)), v);
    assert.deepEqual(other.decode(encode(v)), v);
    assert.deepEqual(decode(other.encode(v)), v);
  }
});

test('lengths around every border', () => {
  for (const n of [0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536]) {
    const values = ['x'.repeat(n), new Uint8Array(n).fill(7), new Array(n).fill(0), new Ext(5, new Uint8Array(n))];
    if (n < 1000) values.push(Object.fromEntries(Array.from({ length: n }, (_, i) => [`${i}k`, i])));
    for (const v of values) {
      assert.deepEqual(decode(encode(v)), v);
      const expected = v instanceof Ext ? new other.ExtData(5, v.data) : v;
      assert.deepEqual(other.decode(encode(v)), expected);
    }
  }
});

test('whole numbers of 64 bits are exact', () => {
  for (const v of [2n ** 64n - 1n, 2n ** 53n, -(2n ** 63n), -(2n ** 53n)]) assert.equal(decode(encode(v)), v);
  assert.equal(decode(encode(5n)), 5, 'a number where a number holds it');
  assert.equal(decode(encode(Number.MAX_SAFE_INTEGER)), Number.MAX_SAFE_INTEGER);
  assert.throws(() => encode(2n ** 64n), RangeError);
  assert.throws(() => encode(-(2n ** 63n) - 1n), RangeError);
});

test('what only JavaScript has', () => {
  assert.equal(encode(undefined)[0], 0xc0);
  assert.deepEqual(decode(encode({ a: undefined, f() {}, b: 1 })), { b: 1 });
  assert.deepEqual(decode(encode(new Map([[1, 'a']]))), new Map([[1, 'a']]));
  assert.deepEqual(decode(encode(new Map([['k', 'a']]))), { k: 'a' });
  assert.deepEqual(decode(encode({ toJSON: () => [1] })), [1]);
  assert.deepEqual(decode(encode(new Float32Array([1]))), new Uint8Array(new Float32Array([1]).buffer));
  assert(Object.is(decode(encode(-0)), -0));
  assert(Number.isNaN(decode(encode(NaN))));
  assert.throws(() => encode(Symbol('s')), TypeError);
  assert.throws(() => encode(new Date(NaN)), TypeError);
  const loop = {};
  loop.loop = loop;
  assert.throws(() => encode(loop), RangeError);
});

test('a key named __proto__ is a key', () => {
  const bytes = Uint8Array.of(0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 1);
  const v = decode(bytes);
  assert.equal(Object.getPrototypeOf(v), Object.prototype);
  assert.deepEqual(Object.keys(v), ['__proto__']);
  assert.equal({}.x, undefined);
});

test('bytes that were read are not part of the message', () => {
  const message = encode([Uint8Array.of(1, 2, 3)]);
  const [bytes] = decode(message);
  message.fill(0);
  assert.deepEqual([...bytes], [1, 2, 3]);
});
