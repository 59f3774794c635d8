// A client over WebTransport sessions whose other end is the test: streams are those of the platform.
import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../src/client.js';
import { DATA, ERROR, HELLO, PONG, REQ } from '../src/envelope.js';
import { encode } from '../src/msgpack.js';
import { Memory } from '../src/race.js';
import { WINDOW } from '../src/session.js';
import { FakeClock, FakeStreamError, fakeWebSockets, fakeWebTransports, framed, settled } from '../support/fakes.mjs';

// As the newest browsers have it.
globalThis.WebTransportError = FakeStreamError;

const message = (...fields) => framed(encode(fields));
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);

async function open(options = {}) {
  const clock = new FakeClock();
  const { FakeWebTransport, sessions } = fakeWebTransports();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const states = [];
  const promise = connect('https://h', { WebTransport: FakeWebTransport, WebSocket: FakeWebSocket, env: clock.env,
    memory: new Memory(), random: () => 1, onstate: (state, error) => states.push(error === undefined ? state : `${state}: ${error.code}`),
    ...options });
  promise.catch(() => {});
  await settled();
  if (options.alone) return { clock, sessions, sockets, states, promise };
  await sessions[0].accept();
  const client = await promise;
  return { clock, sessions, sockets, states, client, wt: sessions[0] };
}

test('the control stream is the first, and begins with HELLO; hashes are handed on', async () => {
  const hash = '0f'.repeat(32);
  const { wt, client, states, sockets } = await open({ certHashes: [hash], token: 't' });
  assert.equal(wt.url, 'https://h/herz');
  assert.deepEqual(wt.options.serverCertificateHashes.map((h) => [h.algorithm, Buffer.from(h.value).toString('hex')]), [['sha-256', hash]]);
  assert.equal(wt.streams[0].frames[0].kind, HELLO);
  assert.equal(wt.streams[0].frames[0].options.auth, 't');
  assert.deepEqual([client.transport, client.state, states, sockets.length], ['webtransport', 'open', ['open'], 0]);
  wt.streams[0].say(message(13, new Uint8Array(8).fill(7)));
  await settled();
  assert.equal(wt.streams[0].frames[1].kind, PONG);
});

test('a call has a stream of its own; both sides end with FIN', async () => {
  const { wt, client } = await open();
  const answer = client.call('POST', '/echo', { body: 'hi' });
  await settled();
  const stream = wt.streams[1];
  assert.deepEqual([stream.frames[0].kind, stream.frames[0].id, stream.frames[0].body.value], [REQ, 1, 'hi']);
  assert.equal(stream.finished, true);
  stream.fin(message(3, 1, 200, null, 'hello'));
  assert.equal((await answer).body, 'hello');
  await settled();
  assert.deepEqual([stream.resetCode, stream.stopCode], [undefined, undefined]);
  const second = client.call('GET', '/');
  await settled();
  assert.equal(wt.streams[2].frames[0].id, 2);
  wt.streams[2].fin(message(3, 2, 200, null), message(4, 2, Buffer.from('a')), message(4, 2, Buffer.from('b')));
  assert.equal(Buffer.from((await second).body).toString(), 'ab');
});

test('END with trailers ends content, too', async () => {
  const { wt, client } = await open();
  const answer = client.stream('GET', '/');
  await settled();
  wt.streams[1].say(message(3, 1, 200, null), message(4, 1, Buffer.from('x')), message(5, 1, { a: 'b' }));
  assert.equal(await (await answer).text(), 'x');
  assert.equal((await (await answer).trailers).get('a'), 'b');
});

test('content waits for the stream, and the stream for its reader', async () => {
  const { wt, client } = await open();
  const answer = client.stream('POST', '/', { body: new Uint8Array(5 * 65536) });
  await settled();
  const stream = wt.streams[1];
  assert.deepEqual(stream.frames.filter((m) => m.kind === DATA).map((m) => m.data.length), new Array(5).fill(65536));
  assert.equal(stream.finished, true);

  let pulled = 0;
  const push = () => {
    pulled++;
    stream.say(message(4, 1, new Uint8Array(65536)));
  };
  stream.onpull = push;
  stream.say(message(3, 1, 200, null));
  const { body } = await answer;
  await settled();
  const before = pulled;
  assert(before <= WINDOW / 65536 + 3, `${before} pieces for nobody who reads`);
  const reader = body.getReader();
  for (let i = 0; i < 8; i++) await reader.read();
  await settled();
  assert(pulled > before, 'reading lets more come');
  await reader.cancel();
  await settled();
  assert.equal(stream.stopCode, 0);
});

test('giving up resets and stops the stream with the code', async () => {
  const { wt, client, clock } = await open();
  const stop = new AbortController();
  const endless = new ReadableStream({});
  const error = rejection(client.call('POST', '/', { signal: stop.signal, body: endless }));
  await settled();
  stop.abort();
  assert.equal((await error).code, 'aborted');
  await settled();
  assert.deepEqual([wt.streams[1].resetCode, wt.streams[1].stopCode], [0, 0]);
  const late = rejection(client.call('GET', '/', { timeout: 10 }));
  await clock.advance(10);
  assert.equal((await late).code, 'timeout');
  await settled();
  assert.equal(wt.streams[2].stopCode, 1);
});

test('the older form of WebTransportError is used where it is the one', async () => {
  globalThis.WebTransportError = class extends Error {
    constructor(init = {}) {
      super(typeof init === 'object' ? init.message : init);
      this.streamErrorCode = init.streamErrorCode ?? null;
    }
  };
  const { wt, client, clock } = await open();
  client.call('GET', '/', { timeout: 10 }).catch(() => {});
  await clock.advance(10);
  await settled();
  assert.equal(wt.streams[1].stopCode, 1);
  globalThis.WebTransportError = FakeStreamError;
});

test('a call that is given up before it has its stream is given up when it has', async () => {
  const { wt, client } = await open();
  let give;
  wt.noStreams = new Promise((resolve) => (give = resolve));
  const stop = new AbortController();
  const error = rejection(client.call('GET', '/', { signal: stop.signal }));
  await settled();
  stop.abort();
  assert.equal((await error).code, 'aborted');
  give();
  await settled();
  assert.deepEqual([wt.streams[1].resetCode, wt.streams[1].sent.length], [0, 0]);
});

test('the server resets a stream: the code says why', async () => {
  const { wt, client, clock } = await open();
  for (const [i, [code, want]] of [[1, 'timeout'], [3, 'cancelled'], [4, 'refused'], [0, 'cancelled']].entries()) {
    const error = rejection(client.call('POST', '/'));
    await settled();
    wt.streams[i + 1].reset(code);
    await clock.advance(code === 0 ? 250 : 0);
    assert.equal((await error).code, want);
  }
});

test('the server wants no more content, and answers', async () => {
  const { wt, client } = await open();
  let told;
  const body = new ReadableStream({
    pull: (c) => c.enqueue(new Uint8Array(10)),
    cancel: () => (told = true),
  }, { highWaterMark: 0 });
  const answer = client.call('POST', '/', { body });
  for (let i = 0; i < 5 && wt.streams[1] === undefined; i++) await new Promise((resolve) => setImmediate(resolve));
  wt.streams[1].stop(0);
  await settled();
  assert.equal(told, true);
  wt.streams[1].fin(message(3, 1, 413, null, 'too much'));
  assert.equal((await answer).status, 413);
});

test('a browser that drops the answer when the server wants no more: the error says so', async () => {
  const { wt, client, clock } = await open();
  const error = rejection(client.call('POST', '/', { body: new ReadableStream({}) }));
  await settled();
  wt.streams[1].reading.error(new TypeError('Error in input stream'));
  await clock.advance(250);
  assert.deepEqual([(await error).code, (await error).message], ['cancelled', 'POST /: the server wanted no more content, and its answer was lost']);
});

test('an answer before the end of the request: the rest is given up', async () => {
  const { wt, client } = await open();
  const answer = client.call('POST', '/', { body: new ReadableStream({}) });
  await settled();
  wt.streams[1].fin(message(3, 1, 200, null, 'early'));
  assert.equal((await answer).body, 'early');
  await settled();
  assert.equal(wt.streams[1].resetCode, 0);
});

test('a stream that ends without an answer, and frames that do not belong there', async () => {
  const first = await open();
  const error = rejection(first.client.call('POST', '/'));
  await settled();
  first.wt.streams[1].fin();
  assert.match((await error).message, /POST \/: its stream ended without an answer/);
  assert.equal(first.client.state, 'open');

  for (const bytes of [message(3, 2, 200, null, null), message(13, new Uint8Array(8)), message(4, 1, new Uint8Array(1)),
    Uint8Array.of(1, 2, 3)]) {
    const { wt, client } = await open();
    const failed = rejection(client.call('POST', '/'));
    await settled();
    wt.streams[1].say(bytes);
    assert.equal((await failed).code, 'protocol');
    await settled();
    assert.equal(wt.closedWith.closeCode, 3);
    assert.equal(wt.streams[0].frames.at(-1).kind, ERROR);
  }
  const cut = await open();
  const half = rejection(cut.client.call('POST', '/'));
  await settled();
  cut.wt.streams[1].fin(message(3, 1, 200, null, 'x').subarray(0, 12));
  assert.equal((await half).code, 'protocol');
});

test('the control stream ends: so does the session', async () => {
  for (const end of [(stream) => stream.fin(), (stream) => stream.reset(0)]) {
    const { wt, client, clock } = await open();
    end(wt.streams[0]);
    await clock.advance(250);
    assert.deepEqual([client.state, wt.closedWith !== undefined], ['reconnecting', true]);
  }
});

test('streams that are reset with their session end for its reason', async () => {
  const { wt, client, clock, sessions } = await open();
  let seen;
  client.onstate = (state, error) => (seen ??= [state, error.code, error.closeCode, error.reason]);
  const get = client.call('GET', '/'), post = rejection(client.call('POST', '/'));
  await settled();
  for (const stream of wt.streams) stream.reset(0);
  await clock.advance(10);
  wt.end({ closeCode: 1, reason: 'drained' });
  assert.equal((await post).code, 'disconnected');
  assert.deepEqual(seen, ['reconnecting', 'disconnected', 1, 'drained']);
  await clock.advance(250);
  await sessions[1].accept();
  await settled();
  sessions[1].streams[1].fin(message(3, 1, 200, null, 'again'));
  assert.equal((await get).body, 'again');
});

test('close() tells code and reason; the server\'s are told to calls and states', async () => {
  const { wt, client } = await open();
  client.close(42, 'done');
  assert.deepEqual(wt.closedWith, { closeCode: 42, reason: 'done' });

  const other = await open({ reconnect: false });
  let seen;
  other.client.onstate = (state, error) => (seen = [state, error.code, error.closeCode, error.reason]);
  const error = rejection(other.client.call('POST', '/'));
  await settled();
  other.wt.end({ closeCode: 7, reason: 'moved' });
  assert.match((await error).message, /POST \/: webtransport: moved/);
  assert.deepEqual(seen, ['closed', 'disconnected', 7, 'moved']);
});

test('a lost session: safe calls go to the next connection, over whatever it is', async () => {
  const { wt, client, clock, sessions, sockets, states } = await open();
  const get = client.call('GET', '/a'), post = rejection(client.call('POST', '/b'));
  await settled();
  wt.breakOff();
  await settled();
  assert.equal((await post).code, 'disconnected');
  await clock.advance(250 + 250);
  assert.deepEqual([sessions.length, sockets.length], [2, 1]);
  sockets[0].accept();
  await settled();
  assert.equal(client.transport, 'websocket');
  assert.deepEqual(sessions[1].closedWith, { closeCode: 0, reason: '' });
  assert.deepEqual(sockets[0].of(REQ).map((m) => m.path), ['/a']);
  sockets[0].say(message(3, 1, 200, null, 'A'));
  assert.equal((await get).body, 'A');
  assert.deepEqual(states, ['open', 'reconnecting: disconnected', 'open']);
});

test('a session that opens no more streams is given up, and the call is made on the next', async () => {
  const { wt, client, clock, sessions } = await open();
  wt.noStreams = Promise.reject(new Error('no more'));
  wt.noStreams.catch(() => {});
  const post = client.call('POST', '/');
  await settled();
  assert.equal(client.state, 'reconnecting');
  await clock.advance(250);
  await sessions[1].accept();
  await settled();
  sessions[1].streams[1].fin(message(3, 1, 200, null, 'there'));
  assert.equal((await post).body, 'there');
});

test('UDP is blocked: WebSocket has its turn after the head start', async () => {
  const { clock, sockets, sessions, promise } = await open({ alone: true });
  await clock.advance(250);
  sockets[0].accept();
  assert.equal((await promise).transport, 'websocket');
  assert.equal(sessions.length, 1);
});

test('a session that is refused, and a server that drains', async () => {
  const { sockets, sessions, promise } = await open({ alone: true });
  sessions[0].refuse(new FakeStreamError('handshake failed', { source: 'session' }));
  await settled();
  sockets[0].accept();
  assert.equal((await promise).transport, 'websocket');

  const { wt, client, clock, sessions: both } = await open();
  const under = client.call('POST', '/');
  await settled();
  wt.drain();
  await clock.advance(250);
  await both[1].accept();
  assert.equal(client.state, 'open');
  wt.streams[1].fin(message(3, 1, 200, null, 'still'));
  assert.equal((await under).body, 'still');
  wt.end({ closeCode: 1, reason: 'drained' });
  await settled();
  assert.equal(client.state, 'open');
});

test('wt:// is WebTransport alone', async () => {
  const { FakeWebTransport, sessions } = fakeWebTransports();
  const promise = connect('wt://h:1', { WebTransport: FakeWebTransport, env: new FakeClock().env, memory: new Memory() });
  await settled();
  assert.equal(sessions[0].url, 'https://h:1/herz');
  sessions[0].refuse(new Error('no'));
  assert.equal((await rejection(promise)).code, 'unreachable');
  const none = await rejection(connect('wt://h', { WebSocket: class {} }));
  assert.deepEqual([none.code, none.message], ['unreachable', 'wt://h: neither WebTransport nor WebSocket is here that could go there']);
});
