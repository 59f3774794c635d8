// @herz/client in Node, against the daemon: node client.mjs PORT CERTIFICATE SHA256 RESTART_FIFO. A line written to the FIFO
// makes the caller end the daemon by force and start it again on its port. Prints a line a check; exit code 1 when one
// failed.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { connect, HerzError } from '../../apps/web/client/src/node.js';
import { check, exitCode } from './check.mjs';

const [port, certificate, sha256, fifo] = process.argv.slice(2);
const ca = readFileSync(certificate);
const plain = `http://localhost:${port}`, secure = `https://localhost:${port}`;
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);

async function calls(url, options) {
  const kind = new URL(url).protocol;
  const client = await connect(url, options);
  assert.equal(client.transport, 'websocket');

  await check(`${kind} a value, text, bytes, nothing`, async () => {
    const user = await client.call('GET', '/users/42');
    assert.deepEqual([user.status, user.ok, user.body], [200, true, { id: '42' }]);
    assert.match((await client.call('GET', '/')).body, /^Herz, dev mode/);
    for (const body of ['grüße', new Uint8Array([0, 255]), { a: [1, -1, 2n ** 63n, 1.5, null, true, new Date(1e12)] }, [], 42]) {
      assert.deepEqual((await client.call('POST', '/echo', { body })).body, body);
    }
    assert.equal((await client.call('POST', '/echo')).body ?? '', '');
  });
  await check(`${kind} statuses are answers: 404, 405, 500, 400`, async () => {
    const seen = [];
    for (const [method, path] of [['GET', '/nowhere'], ['DELETE', '/users/1'], ['GET', '/fail'], ['GET', '/slow/x'], ['HEAD', '/users/1']]) {
      const { status, body } = await client.call(method, path);
      if (status >= 400) assert.equal(body.status, status);
      seen.push(status);
    }
    assert.deepEqual(seen, [404, 405, 500, 400, 200]);
  });
  await check(`${kind} 1,000 calls in flight`, async () => {
    const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.call('GET', `/users/${i}`)));
    all.forEach((answer, i) => assert.equal(answer.body.id, String(i)));
  });
  await check(`${kind} 1,000 that wait at the server`, async () => {
    const all = await Promise.all(Array.from({ length: 1000 }, () => client.call('GET', '/slow/100')));
    assert(all.every((a) => a.status === 200 && a.body.waited_ms === 100));
  });
  await check(`${kind} 3,000 at once, three times what the server takes: none is refused`, async () => {
    const all = await Promise.all(Array.from({ length: 3000 }, () => client.call('GET', '/slow/20')));
    assert(all.every((a) => a.status === 200));
  });
  await check(`${kind} 10 MiB both ways, whole`, async () => {
    const body = randomBytes(10 << 20);
    const answer = await client.call('POST', '/echo', { body });
    assert.equal(digest(answer.body), digest(body));
  });
  await check(`${kind} 10 MiB both ways, in pieces of all sizes`, async () => {
    const body = randomBytes(10 << 20);
    async function* pieces() {
      for (let at = 0, n = 1; at < body.length; at += n, n = (n * 7 + 3) % 200_000) yield body.subarray(at, at + n);
    }
    const answer = await client.stream('POST', '/echo', { body: pieces() });
    assert.equal(digest(await answer.bytes()), digest(body));
  });
  await check(`${kind} 20 MB streamed, read slowly at first`, async () => {
    const answer = await client.stream('GET', '/bytes/20000000');
    let n = 0;
    for await (const piece of answer.body) {
      if (n < 1e6) await client.call('GET', '/users/1'); // others go on meanwhile
      n += piece.length;
    }
    assert.equal(n, 20_000_000);
  });
  await check(`${kind} a stream that is not read does not stop the others`, async () => {
    const idle = await client.stream('GET', '/bytes/1000000000');
    for (let i = 0; i < 100; i++) assert.equal((await client.call('GET', '/users/1')).status, 200);
    await idle.body.cancel();
  });
  await check(`${kind} abort: before, during, and while content comes`, async () => {
    assert.equal((await rejection(client.call('GET', '/', { signal: AbortSignal.abort() }))).name, 'AbortError');
    const stop = new AbortController();
    const slow = rejection(client.call('GET', '/slow/60000', { signal: stop.signal }));
    await client.call('GET', '/users/1');
    stop.abort();
    assert.equal((await slow).code, 'aborted');
    const other = new AbortController();
    const { body } = await client.stream('GET', '/bytes/1000000000', { signal: other.signal });
    const reader = body.getReader();
    await reader.read();
    other.abort();
    assert.equal((await rejection((async () => { for (;;) if ((await reader.read()).done) return; })())).code, 'aborted');
    assert.equal((await client.call('GET', '/users/1')).status, 200);
  });
  await check(`${kind} a timeout`, async () => {
    const error = await rejection(client.call('GET', '/slow/60000', { timeout: 50 }));
    assert(error instanceof HerzError);
    assert.deepEqual([error.code, error.name], ['timeout', 'TimeoutError']);
  });
  await check(`${kind} an answer before the end of the request`, async () => {
    async function* endless() {
      for (;;) yield new Uint8Array(65536);
    }
    const answer = await client.call('POST', '/echo', { body: endless() });
    assert.equal(answer.status, 413);
    assert.equal((await client.call('GET', '/users/1')).status, 200);
  });
  client.close(100, 'enough');
  assert.equal(client.state, 'closed');
}

async function certificates() {
  const printed = [sha256, Buffer.from(sha256, 'base64').toString('hex')];
  for (const hash of printed) {
    await check(`certHashes: ${hash.length === 64 ? 'hexadecimal' : 'base64, as it is printed'}`, async () => {
      const client = await connect(secure, { certHashes: [hash] });
      assert.equal((await client.call('GET', '/users/1')).body.id, '1');
      client.close();
    });
  }
  await check('certHashes: another certificate is not accepted', async () => {
    const error = await rejection(connect(secure, { certHashes: ['00'.repeat(32)] }));
    assert.equal(error.code, 'unreachable');
    assert.match(error.message, /none of certHashes/);
  });
  await check('certHashes: a ws too old to compare them connects to nobody', async () => {
    const { default: WebSocket } = await import('ws');
    class Old extends WebSocket {
      constructor(url, protocol, { finishRequest, ...options }) {
        super(url, protocol, options);
      }
    }
    assert.equal((await rejection(connect(secure, { certHashes: [sha256], WebSocket: Old, token: 'secret' }))).code, 'unreachable');
  });
  await check('without a hash or an authority it is not accepted', async () => {
    const error = await rejection(connect(secure, { webSocketOptions: {} }));
    assert.match(error.message, /self.signed/);
  });
}

async function failures() {
  await check('nobody there', async () => {
    const server = net.createServer();
    const free = await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
    await new Promise((resolve) => server.close(resolve));
    const error = await rejection(connect(`http://127.0.0.1:${free}`));
    assert.equal(error.code, 'unreachable');
    assert.match(error.message, /no connection \(websocket: .+\)/);
  });
  await check('somebody who never answers', async () => {
    const sockets = [];
    const server = net.createServer((s) => sockets.push(s));
    const at = await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
    const error = await rejection(connect(`http://127.0.0.1:${at}`, { connectTimeout: 100 }));
    assert.match(error.message, /no connection within 100 ms/);
    for (const s of sockets) s.destroy();
    server.close();
  });
  await check('the daemon is ended by force and comes back', async () => {
    const states = [];
    const client = await connect(plain, { reconnect: { minMs: 20, maxMs: 200 }, onstate: (state) => states.at(-1) !== state && states.push(state) });
    const safe = client.call('GET', '/slow/3000', { timeout: 60_000 });
    const unsafe = rejection(client.call('POST', '/echo', { body: new ReadableStream({}) }));
    const half = await client.stream('GET', '/bytes/1000000000');
    const reader = half.body.getReader();
    await reader.read();
    writeFileSync(fifo, 'restart\n');
    assert.equal((await unsafe).code, 'disconnected');
    assert.equal((await rejection((async () => { for (;;) await reader.read(); })())).code, 'disconnected');
    assert.equal(client.state, 'reconnecting');
    const waited = client.call('POST', '/echo', { body: 'after', timeout: 60_000 });
    assert.equal((await waited).body, 'after');
    assert.equal((await safe).body.waited_ms, 3000, 'it was sent again');
    assert.deepEqual(states, ['open', 'reconnecting', 'open']);
    client.close();
  }, 100);
  await check('the signal of connect() ends it all', async () => {
    const stop = new AbortController();
    const client = await connect(plain, { signal: stop.signal });
    const error = rejection(client.call('GET', '/slow/60000'));
    stop.abort();
    assert.equal((await error).code, 'closed');
    assert.equal(client.state, 'closed');
  });
  await check('the package ws as a constructor, handed in', async () => {
    const { default: WebSocket } = await import('ws');
    const client = await connect(plain, { WebSocket });
    assert.equal((await client.call('GET', '/users/1')).status, 200);
    client.close();
  });
}

await calls(plain);
await calls(secure, { webSocketOptions: { ca } });
await certificates();
await failures();
if (exitCode() !== 0) process.exit(1);
process.exitCode = 0; // and nothing that is left open keeps this process
