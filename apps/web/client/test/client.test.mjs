// A client over WebSockets whose other end is the test, on a clock and random numbers that are the test's too.
import assert from 'node:assert/strict';
import test from 'node:test';
import { backoff, connect } from '../src/client.js';
import { CANCEL, CREDIT, DATA, END, ERROR, HELLO, PING, PONG, REQ } from '../src/envelope.js';
import { Memory } from '../src/race.js';
import { WINDOW } from '../src/session.js';
import { encode } from '../src/msgpack.js';
import { FakeClock, fakeWebSockets, framed, settled } from '../support/fakes.mjs';

const message = (...fields) => framed(encode(fields));
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);

async function open(options = {}, grants = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const states = [];
  const promise = connect('ws://h', { WebSocket: FakeWebSocket, env: clock.env, memory: new Memory(), random: () => 1,
    onstate: (state, error) => states.push(error === undefined ? state : `${state}: ${error.code}`), ...options });
  promise.catch(() => {});
  await settled();
  if (options.alone) return { clock, sockets, states, promise };
  sockets[0].accept(grants);
  const client = await promise;
  return { clock, sockets, states, client, socket: sockets[0] };
}

// ---- one call ----

test('HELLO says what is accepted, and carries the token', async () => {
  const { socket, client, states } = await open({ token: 's3cret' });
  assert.equal(socket.url, 'ws://h/herz');
  assert.equal(socket.asked, 'herz.v1');
  const [hello] = socket.frames;
  assert.equal(hello.kind, HELLO);
  assert.deepEqual({ ...hello.options, agent: undefined },
    { v: 1, agent: undefined, auth: 's3cret', credit: WINDOW, max_frame: 1 << 20 });
  assert.deepEqual(states, ['open']);
  assert.deepEqual([client.state, client.transport], ['open', 'websocket']);
});

test('a call and its answer; headers of the client and of the call', async () => {
  const { socket, client } = await open({ headers: { Accept: 'a', 'x-all': 'yes' } });
  const answer = client.call('POST', '/v?q=1', { headers: { accept: 'b' }, body: { n: 1 } });
  await settled();
  const [rq] = socket.of(REQ);
  assert.deepEqual([rq.id, rq.method, rq.path, rq.headers, rq.body.value],
    [1, 'POST', '/v?q=1', [['x-all', 'yes'], ['accept', 'b']], { n: 1 }]);
  socket.say(framed(Uint8Array.of(0x95, 3, 1, 0xcc, 201, 0x82, 0xa1, 0x61, 0xa1, 0x31, 0xa1, 0x61, 0xa1, 0x32, 0xa2, 0x6f, 0x6b)));
  const { status, ok, headers, body } = await answer;
  assert.deepEqual([status, ok, body, headers.get('A'), [...headers]], [201, true, 'ok', '1, 2', [['a', '1'], ['a', '2']]]);
});

test('bodies of every kind leave as what they are', async () => {
  const { socket, client } = await open();
  const cases = [[undefined, 'none'], [null, 'none'], ['text', 'text'], [new Uint8Array(3), 'bytes'], [new ArrayBuffer(2), 'bytes'],
    [new Float32Array(1), 'bytes'], [42, 'value'], [false, 'value'], [[1], 'value']];
  for (const [i, [body, kind]] of cases.entries()) {
    const answer = client.call('POST', '/', { body });
    await settled();
    assert.equal(socket.of(REQ).at(-1).body.kind, kind, `${body}`);
    socket.say(message(3, i + 1, 200, null, null));
    assert.equal((await answer).body, null);
  }
});

test('content in pieces becomes what its content-type says', async () => {
  const { socket, client } = await open();
  const value = { a: [1, 2, 3] };
  const cases = [['application/msgpack', encode(value), value], ['text/plain; charset=utf-8', Buffer.from('grüße'), 'grüße'],
    ['image/png', Uint8Array.of(1, 2), Uint8Array.of(1, 2)], [null, Uint8Array.of(3), Uint8Array.of(3)]];
  for (const [i, [type, bytes, want]] of cases.entries()) {
    const answer = client.call('GET', '/');
    await settled();
    const id = i + 1, at = bytes.length >> 1;
    socket.say(message(3, id, 200, type === null ? null : { 'content-type': type }), message(4, id, bytes.subarray(0, at)),
      message(4, id, bytes.subarray(at)), message(5, id));
    assert.deepEqual((await answer).body, want);
  }
});

test('what an answer offers', async () => {
  const { socket, client } = await open();
  const ask = async (body, headers = null) => {
    const answer = client.call('GET', '/');
    await settled();
    socket.say(message(3, socket.of(REQ).length, 200, headers, body));
    return answer;
  };
  const value = await ask({ a: 1 }, { b: '2', 'X-C': '3' });
  assert.deepEqual([value.json(), value.text(), (await ask(null)).text(), (await ask('{"a":1}')).json(), (await ask(Buffer.from('[1]'))).json()],
    [{ a: 1 }, '{"a":1}', '', { a: 1 }, [1]]);
  assert.deepEqual([value.headers.has('x-c'), value.headers.get('none'), value.headers.size, JSON.stringify(value.headers)],
    [true, null, 2, '{"b":"2","x-c":"3"}']);
  const streamed = client.stream('GET', '/');
  await settled();
  socket.say(message(3, socket.of(REQ).length, 200, null, '{"s":1}'));
  assert.deepEqual(await (await streamed).json(), { s: 1 });
  const wrong = client.call('GET', '/');
  await settled();
  const id = socket.of(REQ).length;
  socket.say(message(3, id, 200, { 'content-type': 'application/msgpack' }), message(4, id, Uint8Array.of(0xc1)), message(5, id));
  assert.equal((await rejection(wrong)).code, 'protocol');
});

test('text where frames should be ends the connection', async () => {
  const { socket, client } = await open();
  socket.onmessage({ data: 'hello' });
  assert.deepEqual([client.state, socket.closed.code], ['reconnecting', 4003]);
});

test('what cannot be sent is refused before it is', async () => {
  const { socket, client } = await open();
  const bad = [['', '/'], ['GET', 'users'], ['GET', '/', { headers: { 'a b': '1' } }], ['GET', '/', { headers: { a: '1\r\nb: 2' } }],
    ['POST', '/', { body: Symbol('s') }]];
  for (const args of bad) assert(await rejection(client.call(...args)) instanceof TypeError);
  await settled();
  assert.equal(socket.of(REQ).length, 0);
});

test('a head over the frame limit of the server is the caller\'s error', async () => {
  const { client } = await open({}, { max_frame: 100 });
  assert.equal((await rejection(client.call('GET', `/${'x'.repeat(200)}`))).code, 'too_large');
});

test('a body over the frame limit, or of 64 KiB and more, leaves in pieces', async () => {
  const { socket, client } = await open({}, { max_frame: 100 });
  client.call('POST', '/', { body: 'x'.repeat(150) });
  await settled();
  assert.equal(socket.of(REQ)[0].body.kind, 'follows');
  assert.deepEqual(socket.of(REQ)[0].headers, [['content-type', 'text/plain; charset=utf-8']]);
  assert.deepEqual(socket.of(DATA).map((m) => m.data.length), [68, 68, 14]);
  assert.equal(socket.of(END).length, 1);
});

// ---- giving up ----

test('a signal cancels: CANCEL 0, AbortError; and an aborted one sends nothing', async () => {
  const { socket, client } = await open();
  const stop = new AbortController();
  const answer = client.call('GET', '/slow', { signal: stop.signal });
  await settled();
  stop.abort(new Error('enough'));
  const error = await rejection(answer);
  assert.deepEqual([error.code, error.name, error.cause.message], ['aborted', 'AbortError', 'enough']);
  await settled();
  assert.deepEqual(socket.of(CANCEL).map((m) => [m.id, m.code]), [[1, 0]]);
  socket.say(message(3, 1, 200, null, null)); // it crossed
  assert.equal((await rejection(client.call('GET', '/', { signal: AbortSignal.abort() }))).code, 'aborted');
  await settled();
  assert.equal(socket.of(REQ).length, 1);
  assert.equal(client.state, 'open');
});

test('a timeout cancels: CANCEL 1, TimeoutError; it runs while a call waits, too', async () => {
  const { socket, client, clock } = await open({}, { calls: 1 });
  const first = rejection(client.call('GET', '/slow/1', { timeout: 100 }));
  const second = rejection(client.call('GET', '/slow/2', { timeout: 50 }));
  await clock.advance(50);
  assert.deepEqual([(await second).code, (await second).name], ['timeout', 'TimeoutError']);
  await clock.advance(50);
  assert.match((await first).message, /GET \/slow\/1: no answer within 100 ms/);
  assert.deepEqual(socket.of(CANCEL).map((m) => [m.id, m.code]), [[1, 1]]);
  assert.equal(socket.of(REQ).length, 1);
});

test('calls beyond what the server takes at once wait their turn', async () => {
  const { socket, client } = await open({}, { calls: 2 });
  const answers = [1, 2, 3, 4].map((i) => client.call('GET', `/${i}`));
  await settled();
  assert.equal(socket.of(REQ).length, 2);
  socket.say(message(3, 2, 200, null, null));
  await settled();
  assert.deepEqual(socket.of(REQ).map((m) => m.path), ['/1', '/2', '/3']);
  for (const id of [1, 3]) socket.say(message(3, id, 200, null, null));
  await settled();
  socket.say(message(3, 4, 200, null, null));
  assert.equal((await Promise.all(answers)).length, 4);
});

test('an answer over maxBytes is given up', async () => {
  const { socket, client } = await open();
  const error = rejection(client.call('GET', '/', { maxBytes: 10 }));
  await settled();
  socket.say(message(3, 1, 200, null), message(4, 1, new Uint8Array(11)));
  assert.equal((await error).code, 'too_large');
  await settled();
  assert.equal(socket.of(CANCEL).length, 1);
});

test('the server breaks a call off', async () => {
  const { socket, client } = await open();
  for (const [i, [code, want]] of [[0, 'cancelled'], [1, 'timeout'], [3, 'cancelled'], [4, 'refused'], [99, 'cancelled']].entries()) {
    const error = rejection(client.call('POST', '/'));
    await settled();
    socket.say(message(6, i + 1, code));
    assert.deepEqual([(await error).code, (await error).untouched], [want, want === 'refused']);
  }
  const error = rejection(client.call('POST', '/'));
  await settled();
  socket.say(message(16, 6, 6, 'no more subscriptions'));
  assert.match((await error).message, /POST \/: no more subscriptions/);
});

// ---- flow control ----

test('content waits for credit', async () => {
  const { socket, client } = await open({}, { credit: 1000 });
  const body = new ReadableStream({
    pull(c) {
      c.enqueue(new Uint8Array(600));
      if (++this.count === 3) c.close();
    },
    count: 0,
  });
  client.call('POST', '/', { body });
  await settled();
  const sent = () => socket.of(DATA).reduce((n, m) => n + m.data.length, 0);
  assert.equal(sent(), 1000);
  socket.say(message(7, 1, 500));
  await settled();
  assert.equal(sent(), 1500);
  assert.equal(socket.of(END).length, 0);
  socket.say(message(7, 1, 500));
  await settled();
  assert.equal(sent(), 1800);
  assert.equal(socket.of(END).length, 1);
});

test('who does not read his stream gives no credit; who reads gives half a window at a time', async () => {
  const { socket, client } = await open();
  const answer = client.stream('GET', '/');
  await settled();
  socket.say(message(3, 1, 200, null));
  for (let i = 0; i < 16; i++) socket.say(message(4, 1, new Uint8Array(WINDOW / 16)));
  const { body } = await answer;
  await settled();
  assert.equal(socket.of(CREDIT).length, 0);
  const reader = body.getReader();
  for (let i = 0; i < 8; i++) await reader.read();
  await settled();
  assert.deepEqual(socket.of(CREDIT).map((m) => m.credit), [WINDOW / 2]);
  socket.say(message(4, 1, new Uint8Array(WINDOW / 2)), message(4, 1, new Uint8Array(1)));
  await settled();
  assert.equal(client.state, 'reconnecting', 'more than was granted ends the connection');
  assert.equal(socket.of(ERROR)[0].code, 12);
  await assert.rejects(async () => {
    for (;;) await reader.read();
  }, { code: 'protocol' });
});

test('a stream: pieces, trailers; and one that is not wanted any more', async () => {
  const { socket, client } = await open();
  const first = client.stream('GET', '/');
  await settled();
  socket.say(message(3, 1, 200, { a: 'b' }), message(4, 1, Buffer.from('one ')), message(4, 1, Buffer.from('two')),
    message(5, 1, { digest: 'x' }));
  const answer = await first;
  assert.equal(await answer.text(), 'one two');
  assert.equal((await answer.trailers).get('digest'), 'x');

  const second = client.stream('GET', '/');
  await settled();
  socket.say(message(3, 2, 200, null), message(4, 2, Buffer.from('x')));
  for await (const piece of (await second).body) {
    assert.equal(piece.length, 1);
    break;
  }
  await settled();
  assert.deepEqual(socket.of(CANCEL).map((m) => [m.id, m.code]), [[2, 0]]);

  const whole = client.stream('GET', '/');
  await settled();
  socket.say(message(3, 3, 200, null, 'all of it'));
  assert.equal(await (await whole).text(), 'all of it');
});

test('a stream can be iterated where the platform does not offer it', async () => {
  const { socket, client } = await open();
  const own = Object.getOwnPropertyDescriptor(ReadableStream.prototype, Symbol.asyncIterator);
  delete ReadableStream.prototype[Symbol.asyncIterator];
  try {
    const answer = client.stream('GET', '/');
    await settled();
    socket.say(message(3, 1, 200, null), message(4, 1, Buffer.from('a')), message(4, 1, Buffer.from('b')), message(4, 1, Buffer.from('c')));
    const seen = [];
    for await (const piece of (await answer).body) {
      seen.push(Buffer.from(piece).toString());
      if (seen.length === 2) break;
    }
    await settled();
    assert.deepEqual([seen, socket.of(CANCEL).length], [['a', 'b'], 1]);
  } finally {
    Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, own);
  }
});

test('a source that fails ends the call, and one whose call is over is told', async () => {
  const { socket, client } = await open();
  async function* broken() {
    yield 'a';
    throw new Error('disk');
  }
  const error = await rejection(client.call('POST', '/', { body: broken() }));
  assert.deepEqual([error.code, error.cause.message], ['body', 'disk']);
  assert.equal((await rejection(client.call('POST', '/', { body: new ReadableStream({ start: (c) => c.enqueue(7) }) }))).code, 'body');

  let told;
  const endless = new ReadableStream({ cancel: () => (told = true) });
  const answer = client.call('POST', '/', { body: endless });
  await settled();
  socket.say(message(3, 3, 413, null, 'too much'));
  assert.equal((await answer).status, 413);
  await settled();
  assert.equal(told, true);
});

// ---- connections lost and made again ----

test('a lost connection is made again; calls that are safe are sent once more, others fail', async () => {
  const { sockets, client, clock, states } = await open();
  const get = client.call('GET', '/a'), post = rejection(client.call('POST', '/b'));
  const once = rejection(client.call('GET', '/c', { body: (async function* () {})() }));
  await settled();
  sockets[0].end(1006);
  const error = await post;
  assert.deepEqual([error.code, error.untouched], ['disconnected', false]);
  assert.match(error.message, /POST \/b: websocket: it broke off/);
  assert.equal((await once).code, 'disconnected', 'its content is gone');
  assert.equal(client.state, 'reconnecting');
  assert.equal(client.transport, null);
  const later = client.call('POST', '/later');
  await clock.advance(250);
  sockets[1].accept();
  await settled();
  assert.deepEqual(sockets[1].of(REQ).map((m) => [m.id, m.path]), [[1, '/a'], [2, '/later']]);
  sockets[1].say(message(3, 1, 200, null, 'A'), message(3, 2, 200, null, 'B'));
  assert.deepEqual([(await get).body, (await later).body], ['A', 'B']);
  assert.deepEqual(states, ['open', 'reconnecting: disconnected', 'open']);

  const twice = rejection(client.call('GET', '/d'));
  await settled();
  sockets[1].end();
  await clock.advance(500);
  sockets[2].accept();
  await settled();
  assert.equal(sockets[2].of(REQ).length, 1);
  sockets[2].end();
  assert.equal((await twice).code, 'disconnected', 'once, not twice');
});

test('calls go over the next connection in their order, and those given up meanwhile do not', async () => {
  const { sockets, client, clock } = await open();
  for (let i = 0; i < 5; i++) client.call('GET', `/${i}`).catch(() => {});
  await settled();
  sockets[0].end();
  client.call('POST', '/5').catch(() => {});
  const stops = Array.from({ length: 16_000 }, () => new AbortController());
  const many = stops.map(({ signal }) => rejection(client.call('POST', '/x', { signal })));
  assert.equal((await rejection(Promise.race(Array.from({ length: 1000 }, () => client.call('POST', '/y'))))).code, 'busy');
  for (const stop of stops) stop.abort();
  assert((await Promise.all(many)).every((e) => e.code === 'aborted'));
  await clock.advance(250);
  sockets[1].accept();
  await settled();
  assert.deepEqual(sockets[1].of(REQ).slice(0, 6).map((m) => m.path), ['/0', '/1', '/2', '/3', '/4', '/5']);
  assert.equal(sockets[1].of(REQ).some((m) => m.path === '/x'), false);
});

test('a call that no connection does anything with is not moved for ever', async () => {
  const { sockets, client, clock } = await open();
  const error = rejection(client.call('POST', '/', { timeout: 0 }));
  for (let i = 0; i < 6; i++) {
    await settled();
    assert.equal(sockets[i].of(REQ).length, 1);
    sockets[i].say(message(15, 0, 60_000, null));
    await clock.advance(clock.earliest);
    if (i < 5) sockets[i + 1].accept();
  }
  assert.deepEqual([(await error).code, (await error).untouched], ['disconnected', true]);
});

test('a browser that is online again does not wait', async () => {
  const listeners = new Set();
  globalThis.addEventListener = (_, fn) => listeners.add(fn);
  globalThis.removeEventListener = (_, fn) => listeners.delete(fn);
  try {
    const { sockets, client, clock } = await open({ reconnect: { minMs: 10_000 } });
    sockets[0].end();
    assert.equal(listeners.size, 1);
    for (const fn of listeners) fn();
    await settled();
    assert.equal(sockets.length, 2);
    sockets[1].accept();
    await settled();
    assert.deepEqual([client.state, listeners.size], ['open', 0]);
    client.close();
    assert.equal(clock.earliest, undefined);
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test('content that was half read is not read again', async () => {
  const { sockets, client } = await open();
  const answer = client.stream('GET', '/');
  await settled();
  sockets[0].say(message(3, 1, 200, null), message(4, 1, Buffer.from('half')));
  const { body, trailers } = await answer;
  const reader = body.getReader();
  await reader.read();
  sockets[0].end();
  assert.equal((await rejection(reader.read())).code, 'disconnected');
  assert.equal((await rejection(trailers)).code, 'disconnected');
});

test('waits double up to a ceiling, and are random from nothing on', async () => {
  const limits = { minMs: 250, maxMs: 30_000 };
  assert.deepEqual([0, 1, 2, 6, 7, 50, 5000].map((n) => backoff(n, limits, () => 1)), [250, 500, 1000, 16_000, 30_000, 30_000, 30_000]);
  for (let i = 0; i < 1000; i++) {
    const wait = backoff(i % 12, limits, Math.random);
    assert(wait >= 0 && wait <= Math.min(30_000, 250 * 2 ** (i % 12)));
  }
  assert.equal(backoff(3, limits, () => 0), 0);

  let random = 0.5;
  const { sockets, clock } = await open({ random: () => random });
  sockets[0].end();
  await settled();
  for (const [i, ceiling] of [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
    assert.equal(clock.earliest, ceiling * random);
    await clock.advance(ceiling * random - 1);
    assert.equal(sockets.length, i + 1, 'not before its time');
    await clock.advance(1);
    assert.equal(sockets.length, i + 2);
    random = i % 2 === 0 ? 0.25 : 0.75;
    sockets.at(-1).end();
    await settled();
  }
  await clock.advance(30_000);
  sockets.at(-1).accept();
  await clock.advance(9000);
  sockets.at(-1).end();
  await settled();
  assert(clock.earliest > 5000, 'a short life does not end the series');
  await clock.advance(30_000);
  sockets.at(-1).accept({ ping_ms: 60_000 });
  await clock.advance(10_000);
  sockets.at(-1).end();
  await settled();
  assert(clock.earliest <= 250, 'a long one does');
});

test('reconnect: false ends the client with the connection', async () => {
  const { socket, client, states } = await open({ reconnect: false });
  const error = rejection(client.call('GET', '/'));
  await settled();
  socket.end(4001, 'maintenance');
  assert.equal((await error).code, 'closed');
  assert.deepEqual(states, ['open', 'closed: disconnected']);
  const after = await rejection(client.call('GET', '/'));
  assert.deepEqual([after.code, after.untouched], ['closed', true]);
});

test('denied is for good: by ERROR, by close code, at first and later', async () => {
  const first = await open({ alone: true });
  first.sockets[0].open();
  first.sockets[0].say(message(16, null, 11, 'no such token'));
  first.sockets[0].end(4006);
  const error = await rejection(first.promise);
  assert.deepEqual([error.code, error.message], ['denied', 'websocket: no such token']);
  assert.equal(first.clock.earliest, undefined);

  const later = await open();
  later.socket.end(4006, 'revoked');
  await settled();
  assert.deepEqual(later.states, ['open', 'closed: denied']);
  assert.equal(later.clock.earliest, undefined);
});

test('the first attempt fails: connect() says why', async () => {
  const { sockets, promise, states, clock } = await open({ alone: true });
  sockets[0].onerror({ error: new Error('connect ECONNREFUSED') });
  sockets[0].end();
  const error = await rejection(promise);
  assert.equal(error.code, 'unreachable');
  assert.match(error.message, /ws:\/\/h: no connection \(websocket: connect ECONNREFUSED\)/);
  assert.deepEqual([states, clock.earliest], [['closed: unreachable'], undefined]);
});

test('an error that no close follows is the end, too', async () => {
  const { sockets, promise, clock } = await open({ alone: true });
  sockets[0].onerror({ error: new Error('connect ECONNREFUSED') });
  await clock.advance(0);
  assert.match((await rejection(promise)).message, /ECONNREFUSED/);
});

test('a server without the subprotocol is not spoken to', async () => {
  const { sockets, promise } = await open({ alone: true });
  sockets[0].open('');
  assert.match((await rejection(promise)).message, /does not speak herz.v1/);
  assert.equal(sockets[0].sent.length, 0);
});

test('GOAWAY: what is under way ends there, what came too late goes to the next connection', async () => {
  const { sockets, client, clock } = await open();
  const first = client.call('POST', '/1'), second = client.call('POST', '/2');
  await settled();
  sockets[0].say(message(15, 1, 5000, null));
  await clock.advance(250);
  sockets[1].accept();
  await settled();
  assert.deepEqual(sockets[1].of(REQ).map((m) => m.path), ['/2'], 'whatever its method');
  assert.equal(sockets[0].closed, undefined);
  sockets[0].say(message(3, 1, 200, null, 'one'));
  assert.equal((await first).body, 'one');
  sockets[0].end(4001, 'drained');
  assert.equal(client.state, 'open', 'that was the old one');
  sockets[1].say(message(3, 1, 200, null, 'two'));
  assert.equal((await second).body, 'two');
});

test('GOAWAY without another connection: what is under way ends, and so does the client', async () => {
  const { sockets, client, states } = await open({ reconnect: false });
  const first = client.call('POST', '/1'), late = rejection(client.call('POST', '/2'));
  await settled();
  sockets[0].say(message(15, 1, 5000, null), message(3, 1, 200, null, 'one'));
  assert.equal((await first).body, 'one');
  assert.equal(client.state, 'open');
  let seen;
  client.onstate = (state, error) => (seen = [state, error.code, error.closeCode, error.reason]);
  sockets[0].end(4001, 'drained');
  assert.deepEqual([(await late).code, states, seen], ['closed', ['open'], ['closed', 'disconnected', 1, 'drained']]);
});

test('GOAWAY and no end: after the grace the calls are lost', async () => {
  const { sockets, client, clock } = await open();
  const error = rejection(client.call('POST', '/'));
  await settled();
  sockets[0].say(message(15, 1, 5000, null));
  await clock.advance(5000);
  assert.equal((await error).code, 'closed');
  assert.equal(sockets[0].closed.code, 1000);
});

test('close() tells its code and reason, and fails what is under way', async () => {
  const { socket, client, states, clock } = await open();
  const error = rejection(client.call('GET', '/'));
  await settled();
  client.close(42, 'ä'.repeat(100));
  assert.deepEqual([(await error).code, client.state], ['closed', 'closed']);
  assert.equal(socket.closed.code, 4042);
  assert.equal(socket.closed.reason, 'ä'.repeat(61), 'cut to 123 bytes, not inside a character');
  assert.deepEqual(socket.of(CANCEL).map((m) => [m.id, m.code]), [[1, 2]]);
  assert.deepEqual([states, clock.earliest], [['open', 'closed: closed'], undefined]);
  client.close();
  assert.throws(() => client.close(1000), RangeError);
});

test('the signal of connect() closes the client', async () => {
  const stop = new AbortController();
  const { client, states, socket } = await open({ signal: stop.signal });
  stop.abort();
  assert.deepEqual([client.state, states], ['closed', ['open', 'closed: aborted']]);
  assert.equal(socket.closed.code, 1000);
  const pending = new AbortController();
  const { promise, sockets } = await open({ alone: true, signal: pending.signal });
  pending.abort();
  sockets[0].accept();
  assert.match((await rejection(promise)).code, /aborted|closed/);
  assert.equal((await rejection(connect('ws://h', { WebSocket: class {}, signal: AbortSignal.abort() }))).code, 'aborted');
});

// ---- signs of life ----

test('PING is answered, and sent when it is quiet; without an answer the connection is lost', async () => {
  const { socket, client, clock } = await open({}, { ping_ms: 1000 });
  socket.say(message(13, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)));
  await settled();
  assert.deepEqual([...socket.of(PONG)[0].opaque], [1, 2, 3, 4, 5, 6, 7, 8]);
  for (let i = 1; i <= 5; i++) {
    await clock.advance(1000);
    assert.equal(socket.of(PING).length, i);
    socket.say(message(14, new Uint8Array(8)));
  }
  await clock.advance(1000);
  await clock.advance(9999);
  assert.equal(client.state, 'open');
  await clock.advance(1);
  assert.equal(client.state, 'reconnecting');
  assert.equal(socket.closed.code, 4002);
});

// ---- a server that does not speak as it should ----

test('bytes that are no frames, and frames out of place, end the connection with the right ERROR', async () => {
  const cases = [
    [Uint8Array.of(0x48, 0x54), 1], [Uint8Array.of(0xca, 0xfe, 2), 2], [Uint8Array.of(0xca, 0xfe, 1, 0xff, 0, 0, 0), 3],
    [framed(Uint8Array.of(0xc1)), 4], [message(1, {}), 5], [message(0, {}), 5], [message(2, 1, 'GET', '/', null, null), 5],
    [message(3, 9, 200, null, null), 5], [message(4, 1, new Uint8Array(1)), 5],
  ];
  for (const [bytes, code] of cases) {
    const { socket, client } = await open();
    const error = rejection(client.call('POST', '/'));
    await settled();
    socket.say(bytes);
    assert.equal((await error).code, 'protocol');
    assert.equal(socket.of(ERROR)[0].code, code);
    assert.equal(socket.closed.code, 4003);
    assert.equal(client.state, 'reconnecting');
  }
});

test('an unknown kind is answered, and the connection lives on', async () => {
  const { socket, client } = await open();
  socket.say(message(99, 5, 'x'), message(98, 'no id'));
  await settled();
  assert.deepEqual(socket.of(ERROR).map((m) => [m.id, m.code]), [[5, 7]]);
  assert.equal(client.state, 'open');
});

test('a handler that throws does not break the client', async () => {
  const thrown = [];
  globalThis.reportError = (error) => thrown.push(error.message); // as browsers have it
  try {
    const { client } = await open({ onstate: () => { throw new Error('mine'); } });
    assert.deepEqual([thrown, client.state], [['mine'], 'open']);
  } finally {
    delete globalThis.reportError;
  }
});
