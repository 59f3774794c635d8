// URLs and hashes of certificates, as people write them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { hashOf, placeOf } from '../src/url.js';

test('each scheme goes where it says', () => {
  const cases = [
    ['https://h:4433', ['webtransport', 'websocket'], 'https://h:4433/herz', 'wss://h:4433/herz'],
    ['https://h', ['webtransport', 'websocket'], 'https://h/herz', 'wss://h/herz'],
    ['HTTPS://Host:443/', ['webtransport', 'websocket'], 'https://host/herz', 'wss://host/herz'],
    ['http://h:80', ['websocket'], undefined, 'ws://h/herz'],
    ['http://h:443', ['websocket'], undefined, 'ws://h:443/herz'],
    ['ws://[::1]:8080/app?x=1', ['websocket'], undefined, 'ws://[::1]:8080/app?x=1'],
    ['wss://h/herz', ['websocket'], undefined, 'wss://h/herz'],
    ['wt://h:4433', ['webtransport'], 'https://h:4433/herz', undefined],
  ];
  for (const [url, transports, webtransport, websocket] of cases) {
    const p = placeOf(url);
    assert.deepEqual([p.transports, p.webtransport, p.websocket], [transports, webtransport, websocket], url);
  }
  assert.deepEqual(placeOf('https://h', ['websocket']).transports, ['websocket']);
  assert.equal(placeOf(new URL('https://h')).websocket, 'wss://h/herz');
});

test('what is no place is refused by name', () => {
  for (const url of ['h:4433', 'ftp://h', 'https://', '/herz', 'https://user@h']) {
    assert.throws(() => placeOf(url), TypeError, url);
  }
  assert.throws(() => placeOf('http://h', ['webtransport']), /none of the transports/);
  assert.throws(() => placeOf('https://h', ['tcp']), /no "tcp"/);
});

test('a hash is hexadecimal, base64 or bytes', () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  const hex = Buffer.from(bytes).toString('hex'), base64 = Buffer.from(bytes).toString('base64');
  const forms = [hex, hex.toUpperCase(), hex.match(/../g).join(':'), `sha256 ${base64}`, `sha-256/${base64}`, base64,
    base64.replace('=', ''), Buffer.from(bytes).toString('base64url'), bytes, bytes.buffer, new DataView(bytes.buffer)];
  for (const form of forms) assert.deepEqual([...hashOf(form)], [...bytes], String(form));
  for (const bad of ['', 'abc', hex.slice(2), `${base64}x`, new Uint8Array(31)]) assert.throws(() => hashOf(bad), TypeError);
});
