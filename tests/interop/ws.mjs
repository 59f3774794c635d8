// npm `ws` judges Herz's WebSocket; what a well-behaved client cannot send goes through raw sockets.
// node ws.mjs PORT CERTIFICATE [shutdown FIFO]. Prints a line a check; exit code 1 when one failed.
// "shutdown": connects, says so to FIFO, and waits for the daemon's farewell.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import WebSocket from 'ws';
import { frame, message, parse, split } from './frames.mjs';
import { vector } from './golden.mjs';

const [port, certificate, only, fifo] = process.argv.slice(2);
const ca = readFileSync(certificate, 'utf8');
const plain = `ws://127.0.0.1:${port}`;
const secure = `wss://localhost:${port}`;
const HELLO = 0, WELCOME = 1, REQ = 2, RES = 3;

let failed = 0;
async function check(name, fn) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error('no end after 30 s')), 30000);
  });
  try {
    await Promise.race([fn(), late]);
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}: ${e?.message ?? e}`);
  } finally {
    clearTimeout(timer);
  }
}

// A WebSocket, open, whose messages, pongs and close can be awaited.
function open(url, protocols = [], options = {}) {
  const ws = new WebSocket(url, protocols, { ca, perMessageDeflate: false, ...options });
  const queue = [], waiting = [];
  ws.on('message', (data, binary) => {
    const m = { data: Buffer.from(data), text: binary ? undefined : data.toString() };
    if (waiting.length > 0) waiting.shift()(m);
    else queue.push(m);
  });
  ws.next = () => new Promise((yes) => (queue.length > 0 ? yes(queue.shift()) : waiting.push(yes)));
  ws.closed = new Promise((yes) => ws.on('close', (code, reason) => yes({ code, reason: reason.toString() })));
  return new Promise((yes, no) => {
    ws.on('open', () => yes(ws));
    ws.on('unexpected-response', (_, res) => no(Object.assign(new Error(`status ${res.statusCode}`), { res })));
    ws.on('error', no);
  });
}

const refused = (promise) =>
  promise.then(
    (ws) => (ws.terminate(), 101),
    (e) => {
      if (e.res === undefined) throw e;
      return e.res.statusCode;
    },
  );

// Bytes as they are; resolves with all that came once the server has ended its side.
function raw(...pieces) {
  return new Promise((yes, no) => {
    const got = [];
    const socket = net.connect({ port: Number(port), host: '127.0.0.1' }, () => {
      for (const p of pieces) socket.write(p);
    });
    socket.on('data', (d) => got.push(d));
    socket.on('end', () => yes(Buffer.concat(got)));
    socket.on('error', no);
  });
}

const upgrade = (more = '', path = '/echo') =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;

const status = async (...pieces) => Number((await raw(...pieces)).toString('latin1').match(/^HTTP\/1\.1 (\d+) /)[1]);

// The close code that bytes behind a good upgrade are answered with.
async function failure(bytes, more) {
  const all = await raw(upgrade(more), bytes);
  const at = all.indexOf('\r\n\r\n') + 4;
  assert.equal(all.toString('latin1', 0, 12), 'HTTP/1.1 101');
  assert.equal(all[at], 0x88, 'a close frame and nothing before it');
  return all.readUInt16BE(at + 2);
}

// A masked frame with this first byte; the mask is all zero, which is a mask too.
function masked(first, payload) {
  const p = Buffer.from(payload, 'latin1');
  assert(p.length < 65536);
  const head = p.length < 126 ? [first, 0x80 | p.length] : [first, 0xfe, p.length >> 8, p.length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), p]);
}

const digest = (b) => createHash('sha256').update(b).digest('hex');

async function shutdown() {
  const page = await open(`${plain}/echo`);
  const frames = await open(`${secure}/herz`, 'herz.v1');
  frames.send(message(HELLO, { v: 1 }));
  await frames.next();
  writeFileSync(fifo, 'open\n');
  await check('a page hears 1001 when the service goes down', async () => {
    assert.equal((await page.closed).code, 1001);
  });
  await check('a client of herz.v1 hears of it too', async () => {
    assert([1000, 1001, 4001].includes((await frames.closed).code));
  });
}

async function echoes() {
  for (const base of [plain, secure]) {
    const kind = base.split(':')[0];
    await check(`${kind}: text and binary come back as they were sent`, async () => {
      const ws = await open(`${base}/echo`);
      for (const text of ['hello', '', 'Grüße, 世界 🎈', 'x'.repeat(126), 'y'.repeat(70000)]) {
        ws.send(text);
        assert.equal((await ws.next()).text, text);
      }
      for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
        const bytes = randomBytes(n);
        ws.send(bytes);
        const m = await ws.next();
        assert.equal(m.text, undefined, 'binary stays binary');
        assert.equal(digest(m.data), digest(bytes));
      }
      ws.close(1000, 'done');
      assert.equal((await ws.closed).code, 1000);
    });
    await check(`${kind}: 10 MiB come back exactly`, async () => {
      const ws = await open(`${base}/echo`);
      const bytes = randomBytes(10 << 20);
      ws.send(bytes);
      assert.equal(digest((await ws.next()).data), digest(bytes));
      ws.terminate();
    });
  }
  await check('a message over the limit is 1009', async () => {
    const ws = await open(`${plain}/echo`);
    ws.on('error', () => {}); // what was not sent yet cannot be
    ws.send(Buffer.alloc(17 << 20));
    assert.equal((await ws.closed).code, 1009);
  });
  await check('fragments are one message, with pings between them', async () => {
    const ws = await open(`${plain}/echo`);
    const pongs = [];
    ws.on('pong', (d) => pongs.push(d.toString()));
    for (const [i, piece] of ['one ', 'two ', 'three'].entries()) {
      ws.send(piece, { fin: i === 2 });
      ws.ping(`p${i}`);
    }
    assert.equal((await ws.next()).text, 'one two three');
    ws.send('more');
    await ws.next();
    // Only the latest of several that wait need be answered.
    assert.equal(pongs.at(-1), 'p2');
    ws.terminate();
  });
  await check('500 messages at once are answered in their order', async () => {
    const ws = await open(`${plain}/echo`);
    for (let i = 0; i < 500; i++) ws.send(`message ${i}`);
    for (let i = 0; i < 500; i++) assert.equal((await ws.next()).text, `message ${i}`);
    ws.close();
    await ws.closed;
  });
  await check('what was sent before closing is answered before the close', async () => {
    const ws = await open(`${plain}/echo`);
    ws.send('last words');
    ws.close(1000);
    assert.equal((await ws.next()).text, 'last words');
    assert.equal((await ws.closed).code, 1000);
  });
  await check('a path that nothing answers says so in a message', async () => {
    const ws = await open(`${plain}/nowhere`);
    ws.send('anybody?');
    assert.deepEqual(JSON.parse((await ws.next()).text),
      { status: 404, title: 'Not Found', detail: 'no route for /nowhere' });
    ws.terminate();
  });
}

async function closes() {
  for (const code of [1000, 1001, 1003, 1007, 1011, 3000, 4000, 4999])
    await check(`close code ${code} is echoed`, async () => {
      const ws = await open(`${plain}/echo`);
      if (code === 1001) ws._sender.close(1001, '', true); // the API does not let one say so
      else ws.close(code, 'reason');
      assert.equal((await ws.closed).code, code);
    });
  const bad = [
    ['a frame without a mask', '\x81\x01x', 1002],
    ['a reserved bit', masked(0xc1, 'x'), 1002],
    ['a reserved opcode', masked(0x83, ''), 1002],
    ['a fragmented ping', masked(0x09, ''), 1002],
    ['a ping of 126 bytes', masked(0x89, 'x'.repeat(126)), 1002],
    ['a continuation of nothing', masked(0x80, 'x'), 1002],
    ['a message inside a message', Buffer.concat([masked(0x01, 'a'), masked(0x01, 'b')]), 1002],
    ['a length not in its shortest form', '\x82\xfe\x00\x01', 1002],
    ['a length of 2^63 - 1', '\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff', 1009],
    ['text that is not UTF-8', masked(0x81, '\xed\xa0\x80'), 1007],
    ['the same, told in the middle', masked(0x01, '\xf4\x90'), 1007],
    ['a close frame of one byte', masked(0x88, '\x03'), 1002],
    ['close code 1005', masked(0x88, '\x03\xed'), 1002],
    ['close code 2000', masked(0x88, '\x07\xd0'), 1002],
    ['a close reason that is not UTF-8', masked(0x88, '\x03\xe8\xff'), 1007],
  ];
  for (const [name, bytes, code] of bad)
    await check(`${name} is ${code}`, async () => {
      assert.equal(await failure(Buffer.from(bytes, 'latin1')), code);
    });
  await check('text on herz.v1 is 1003', async () => {
    assert.equal(await failure(masked(0x81, 'x'), 'Sec-WebSocket-Protocol: herz.v1\r\n'), 1003);
  });
}

async function upgrades() {
  const good = upgrade();
  const bad = [
    ['version 8', good.replace('Version: 13', 'Version: 8'), 426],
    ['no key', good.replace(/Sec-WebSocket-Key.*\r\n/, ''), 400],
    ['a short key', good.replace('dGhl', ''), 400],
    ['no Host', good.replace(/Host.*\r\n/, ''), 400],
    ['POST', good.replace('GET', 'POST'), 405],
    ['HTTP/1.0', good.replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['HTTP/2.0', good.replace('HTTP/1.1', 'HTTP/2.0'), 505],
    ['a folded header', upgrade('A: b\r\n c\r\n'), 400],
    ['2,000 headers', upgrade('A: b\r\n'.repeat(2000)), 431],
    ['a header of 1 MB', upgrade(`A: ${'x'.repeat(1 << 20)}\r\n`), 431],
    ['a target of 1 MB', upgrade('', `/${'x'.repeat(1 << 20)}`), 414],
    ['a foreign origin', upgrade('Origin: https://evil.example\r\n'), 403],
  ];
  for (const [name, bytes, want] of bad)
    await check(`${name} is ${want}`, async () => assert.equal(await status(bytes), want));
  await check('an upgrade that comes byte by byte is taken', async () => {
    const socket = net.connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
    for (const c of good) await new Promise((yes) => socket.write(c, 'latin1', yes));
    const answer = await new Promise((yes) => socket.once('data', yes));
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 101 .*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/s);
    socket.destroy();
  });
  await check('a page of the same host may connect, another one may not', async () => {
    assert.equal(await refused(open(`${plain}/echo`, [], { origin: plain.replace('ws', 'http') })), 101);
    assert.equal(await refused(open(`${plain}/echo`, [], { origin: 'http://127.0.0.1:1' })), 403);
    assert.equal(await refused(open(`${plain}/echo`, [], { origin: 'null' })), 403);
  });
  await check('permessage-deflate is offered in vain, and all works without', async () => {
    const ws = await open(`${plain}/echo`, [], { perMessageDeflate: true });
    assert.equal(ws.extensions, '');
    ws.send('x'.repeat(5000));
    assert.equal((await ws.next()).text.length, 5000);
    ws.terminate();
  });
}

// The bytes of herz.v1, however messages cut them.
async function frames(ws, count) {
  const found = [];
  let rest = new Uint8Array(0);
  while (found.length < count) {
    const m = await ws.next();
    assert.equal(m.text, undefined, 'frames travel in binary messages');
    const all = split(Uint8Array.from(Buffer.concat([rest, m.data])));
    rest = all.rest;
    found.push(...all.found.map(parse));
  }
  return found;
}

async function subprotocol() {
  for (const base of [plain, secure])
    await check(`${base.split(':')[0]}: a call in frames over herz.v1`, async () => {
      const ws = await open(`${base}/herz`, ['soap', 'herz.v1']);
      assert.equal(ws.protocol, 'herz.v1');
      ws.send(message(HELLO, { v: 1 }));
      assert.equal((await frames(ws, 1))[0][0], WELCOME);
      ws.send(message(REQ, 7, 'GET', '/users/42', null, null));
      const [kind, id, code, , body] = (await frames(ws, 1))[0];
      assert.deepEqual([kind, id, code, body], [RES, 7, 200, { id: '42' }]);
      ws.close(1000);
      assert.equal((await ws.closed).code, 1000);
    });
  await check('the golden vectors, cut into a message a byte', async () => {
    const ws = await open(`${plain}/herz`, 'herz.v1');
    const bytes = ['hello without anything', 'smallest request'].map((c) => frame(vector('envelopes.txt', c)));
    for (const byte of Buffer.concat(bytes)) ws.send(Buffer.from([byte]));
    const [welcome, answer] = await frames(ws, 2);
    assert.equal(welcome[0], WELCOME);
    assert.equal(answer[0], RES);
    ws.terminate();
  });
  await check('one message may carry many frames', async () => {
    const ws = await open(`${plain}/herz`, 'herz.v1');
    const all = [message(HELLO, { v: 1 })];
    for (let i = 1; i <= 100; i++) all.push(message(REQ, i, 'GET', `/users/${i}`, null, null));
    ws.send(Buffer.concat(all));
    const answers = await frames(ws, 101);
    const ids = answers.slice(1).map((a) => a[4].id);
    assert.equal(new Set(ids).size, 100);
    ws.terminate();
  });
}

if (only === 'shutdown') {
  await shutdown();
} else {
  await echoes();
  await closes();
  await upgrades();
  await subprotocol();
}
process.exit(failed > 0 ? 1 : 0);
