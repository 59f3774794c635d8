// Cloudflare's QUIC (quiche, by @matrixai/quic) and @msgpack/msgpack judge the native mapping:
// node quic.mjs PORT CERTIFICATE [handshake]. Prints a line a check; exit code 1 when one failed.
// "handshake": that alone.
import assert from 'node:assert/strict';
import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { QUICClient } from '@matrixai/quic';
import Logger, { LogLevel } from '@matrixai/logger';
import { encode } from '@msgpack/msgpack';
import { frame, message, parse, split } from './frames.mjs';
import { vector } from './golden.mjs';

const [port, certificate, only] = process.argv.slice(2);
const ca = readFileSync(certificate, 'utf8');
const HELLO = 0, WELCOME = 1, REQ = 2, RES = 3, DATA = 4, END = 5, PING = 13, PONG = 14, ERROR = 16;
const logger = new Logger('judge', LogLevel.SILENT);

let failed = 0;
async function check(name, fn) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error('no end after 20 s')), 20000);
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

function connect(config = {}) {
  return QUICClient.createQUICClient(
    {
      host: '127.0.0.1',
      port: Number(port),
      serverName: 'localhost',
      localHost: '127.0.0.1',
      crypto: {
        ops: {
          async randomBytes(data) {
            webcrypto.getRandomValues(new Uint8Array(data));
          },
        },
      },
      config: { ca, verifyPeer: true, applicationProtos: ['herz/1'], maxIdleTimeout: 20000, ...config },
      logger,
    },
    { timer: 10000 },
  );
}

async function send(stream, chunks, end = true) {
  const writer = stream.writable.getWriter();
  for (const chunk of chunks) await writer.write(chunk);
  if (end) await writer.close();
  else writer.releaseLock();
}

// Frames of a stream, one after the other; those that one read brought are kept for the next call.
function receiver(stream) {
  const reader = stream.readable.getReader();
  let rest = new Uint8Array(0);
  const ready = [];
  return async function next() {
    while (ready.length === 0) {
      const { value, done } = await reader.read();
      if (done) {
        assert.equal(rest.length, 0, 'the stream ends inside a frame');
        return undefined;
      }
      const both = new Uint8Array(rest.length + value.length);
      both.set(rest);
      both.set(value, rest.length);
      const { found, rest: left } = split(both);
      rest = left;
      ready.push(...found);
    }
    return ready.shift();
  };
}

// One call on a stream of its own; `body` is collected from RES or from DATA and END or FIN.
async function call(client, chunks) {
  const stream = client.connection.newStream();
  const next = receiver(stream);
  const sending = send(stream, chunks);
  const first = await next();
  assert.ok(first, 'no answer');
  const [kind, id, status, headers, ...rest] = parse(first);
  assert.equal(kind, RES);
  const answer = { first, id, status, headers, body: rest[0], pieces: [] };
  if (rest.length === 0) {
    for (let f = await next(); f; f = await next()) {
      const [k, i, piece] = parse(f);
      assert.equal(i, id);
      if (k === END) break;
      assert.equal(k, DATA);
      answer.pieces.push(piece);
    }
    answer.body = Buffer.concat(answer.pieces);
  }
  await sending;
  return answer;
}

const request = (id, method, path, ...rest) => message(REQ, id, method, path, null, ...rest);

let client;
await check('handshake: TLS 1.3, ALPN herz/1, certificate verified', async () => {
  client = await connect();
});
if (!client || only === 'handshake') {
  await client?.destroy({ force: true });
  process.exit(client ? 0 : 1);
}

let control, controlNext;
await check('HELLO from the vectors is answered by WELCOME', async () => {
  control = client.connection.newStream();
  controlNext = receiver(control);
  await send(control, [frame(vector('envelopes.txt', 'hello of a plain client'))], false);
  const [kind, welcome] = parse(await controlNext());
  assert.equal(kind, WELCOME);
  assert.equal(welcome.v ?? 1, 1);
  assert.ok(welcome.max_frame > 0 && welcome.credit > 0, JSON.stringify(welcome));
});

await check('PING comes back as PONG with its eight bytes', async () => {
  const opaque = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  await send(control, [message(PING, opaque)], false);
  const [kind, echoed] = parse(await controlNext());
  assert.equal(kind, PONG);
  assert.deepEqual(Buffer.from(echoed), Buffer.from(opaque));
});

await check('a call from the vectors: text goes and comes back', async () => {
  const a = await call(client, [frame(vector('envelopes.txt', 'request with headers and text'))]);
  assert.equal(a.id, 3);
  assert.equal(a.status, 200);
  assert.equal(a.body, 'hello');
});

await check('the smallest request of the vectors', async () => {
  const a = await call(client, [frame(vector('envelopes.txt', 'smallest request'))]);
  assert.equal(a.id, 1);
  assert.equal(a.status, 200);
});

await check('the answer is msgpack in its shortest form, byte for byte', async () => {
  const a = await call(client, [request(1, 'GET', '/users/42', null)]);
  assert.deepEqual(a.body, { id: '42' });
  assert.deepEqual(Buffer.from(a.first), Buffer.from(encode(parse(a.first))));
  if (a.headers === null) {
    const want = Uint8Array.from([0x95, 3, 1, 0xcc, 200, 0xc0, 0x81, 0xa2, 0x69, 0x64, 0xa2, 0x34, 0x32]);
    assert.deepEqual(Buffer.from(a.first), Buffer.from(want));
  }
});

await check('a structured value goes and comes back', async () => {
  const value = { list: [1, -1, 1.5, true, null, 'ü'], big: 2 ** 40 };
  const a = await call(client, [request(2, 'POST', '/echo', value)]);
  assert.deepEqual(a.body, value);
});

await check('one frame in pieces of one byte', async () => {
  const whole = request(9, 'GET', '/users/slow', null);
  const a = await call(client, Array.from(whole, (b) => Uint8Array.of(b)));
  assert.deepEqual(a.body, { id: 'slow' });
});

await check('a body of 1 MiB in DATA frames, ended by END', async () => {
  const piece = new Uint8Array(16384).map((_, i) => (i * 7) & 255);
  const chunks = [request(5, 'POST', '/echo')];
  for (let i = 0; i < 64; i++) chunks.push(message(DATA, 5, piece));
  chunks.push(message(END, 5));
  const a = await call(client, chunks);
  assert.equal(a.status, 200);
  assert.equal(a.body.length, 1 << 20);
  for (let i = 0; i < 64; i++) assert.deepEqual(Buffer.from(a.body.subarray(i * 16384, (i + 1) * 16384)), Buffer.from(piece));
});

await check('a body ended by FIN instead', async () => {
  const a = await call(client, [request(6, 'POST', '/echo'), message(DATA, 6, Uint8Array.of(0, 255, 7))]);
  assert.deepEqual(Buffer.from(a.body), Buffer.of(0, 255, 7));
});

await check('3,200,000 streamed bytes are exact', async () => {
  const a = await call(client, [request(7, 'GET', '/bytes/3200000', null)]);
  const want = createHash('sha256');
  for (let i = 0; i < 200000; i++) want.update(String(i).padStart(15, '0') + '\n');
  assert.equal(a.body.length, 3200000);
  assert.equal(createHash('sha256').update(a.body).digest('hex'), want.digest('hex'));
});

await check('a handler that fails answers 500, the next call works', async () => {
  assert.equal((await call(client, [request(1, 'GET', '/fail', null)])).status, 500);
  assert.equal((await call(client, [request(1, 'GET', '/time', null)])).status, 200);
});

await check('50 calls at once, each its own stream', async () => {
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, i) => call(client, [request(i, 'GET', `/users/${i}`, null)])),
  );
  all.forEach((a, i) => assert.deepEqual(a.body, { id: String(i) }));
});

await check('a kind of a later version is answered with ERROR, and the connection lives', async () => {
  await send(control, [message(99, 7)], false);
  const [kind, id] = parse(await controlNext());
  assert.equal(kind, ERROR);
  assert.equal(id, 7);
  assert.equal((await call(client, [request(1, 'GET', '/time', null)])).status, 200);
});

await check('a stream without magic ends this connection only', async () => {
  const other = await connect();
  const stream = other.connection.newStream();
  stream.closedP.catch(() => {});
  const ended = other.closedP;
  await send(stream, [Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7])]).catch(() => {});
  await ended;
  assert.equal((await call(client, [request(1, 'GET', '/time', null)])).status, 200);
});

await check('an unknown ALPN is refused', async () => {
  await assert.rejects(connect({ applicationProtos: ['nope/1'] }));
});

await check('the certificate is not trusted without its file', async () => {
  await assert.rejects(connect({ ca: undefined }));
});

await check('a clean end', async () => {
  await client.destroy({ force: true });
});

console.log(failed === 0 ? 'quiche: all checks passed' : `quiche: ${failed} checks failed`);
process.exit(failed === 0 ? 0 : 1);
