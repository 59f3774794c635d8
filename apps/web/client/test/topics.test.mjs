// Subscriptions and publishes over both transports; the server is the test.
import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../src/client.js';
import { CREDIT, ERROR, PUB, SUB, UNSUB } from '../src/envelope.js';
import { encode } from '../src/msgpack.js';
import { Positions } from '../src/positions.js';
import { Memory } from '../src/race.js';
import { FakeClock, FakeStreamError, fakeWebSockets, fakeWebTransports, framed, settled } from '../support/fakes.mjs';

globalThis.WebTransportError = FakeStreamError;
const message = (...fields) => framed(encode(fields));
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);
const ack = (id, epoch, offset) => message(11, id, epoch, offset);
const event = (id, topic, offset, body = `${topic} ${offset}`, epoch = 7) => message(12, id, topic, epoch, offset, null, body);
const gap = (id, topic, offset, n, epoch = 7) => message(17, id, topic, epoch, offset, n);

async function overSocket(options = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const client = connect('ws://h', { WebSocket: FakeWebSocket, env: clock.env, memory: new Memory(), random: () => 1, ...options });
  await settled();
  sockets[0].accept();
  await client;
  const again = async (i, how = () => sockets[i - 1].end()) => {
    how();
    await clock.advance(1000);
    sockets[i].accept();
    await settled();
    return sockets[i];
  };
  return { clock, sockets, client: await client, socket: sockets[0], again };
}

async function overStreams(options = {}) {
  const clock = new FakeClock();
  const { FakeWebTransport, sessions } = fakeWebTransports();
  const client = connect('wt://h', { WebTransport: FakeWebTransport, env: clock.env, memory: new Memory(), random: () => 1, ...options });
  client.catch(() => {});
  await settled();
  await sessions[0].accept();
  const control = (i) => sessions[i].streams[0];
  return { clock, sessions, client: await client, wt: sessions[0], control };
}

// What has come, read without waiting for more.
async function all(events, most = Infinity) {
  const out = [];
  while (out.length < most) {
    const none = settled().then(() => 'none');
    const next = events.next();
    next.catch(() => {});
    const got = await Promise.race([next, none]);
    if (got === 'none') return { out, next };
    if (got.done) return { out, done: true };
    out.push(got.value);
  }
  return { out };
}
const told = (items) => items.map((i) => (i.type === 'gap' ? `gap ${i.topic} ${i.offset}+${i.missed}` : `${i.topic} ${i.offset}`));
const subs = (frames) => frames.filter((m) => m.kind === SUB);

test('SUB has pattern and options; events come in their order, with headers and bodies', async () => {
  const { socket, client } = await overSocket();
  const events = client.subscribe('a/#');
  client.subscribe('b', { from: 0, epoch: 5, class: 'datagram', ago: 9 });
  client.subscribe('c', { class: 'stream', deadline: 100, slow: 'close', as: 'anna' });
  await settled();
  const [a, b, c] = subs(socket.frames);
  assert.deepEqual([a.id, a.text, a.options], [1, 'a/#', { slow: 'pause', credit: 1024 }]);
  assert.deepEqual(b.options, { from: 0, epoch: 5, ago_ms: 9, class: 'datagram' });
  assert.deepEqual(c.options, { class: 'stream', deadline_ms: 100, as: 'anna', slow: 'close' });
  socket.say(ack(1, 3, 40), message(12, 1, 'a/1', 7, 1, { k: 'v' }, { paid: true }), event(1, 'a/2', 9), gap(1, 'a/2', 10, 2), gap(1, null, 0, 0, 0));
  assert.deepEqual(await events.ready, { epoch: 3, mark: 40 });
  const { value } = await events.next();
  assert.deepEqual([value.type, value.topic, value.epoch, value.offset, value.headers.get('K'), value.body], ['event', 'a/1', 7, 1, 'v', { paid: true }]);
  assert.deepEqual(told((await all(events)).out), ['a/2 9', 'gap null 0+0']);
});

test('a subscription ends: close(), a loop that is left, a signal, ERROR, the client', async () => {
  const { socket, client } = await overSocket();
  const stop = new AbortController();
  const [one, two, three, four, five] = [{}, {}, { signal: stop.signal }, {}, {}].map((o, i) => client.subscribe(`t${i}`, o));
  await settled();
  const waits = one.next();
  one.close();
  assert.deepEqual(await waits, { done: true, value: undefined });
  socket.say(event(2, 't1', 1), event(1, 't0', 1), message(ERROR, 4, 13, 'no pattern'), event(5, 't4', 1));
  for await (const e of two) {
    assert.equal(e.offset, 1);
    break;
  }
  stop.abort();
  assert.equal((await rejection(three.next())).name, 'AbortError');
  assert.equal((await three.next()).done, true);
  const refused = await rejection(four.next());
  assert.deepEqual([refused.code, refused.message, (await rejection(four.ready)).code], ['refused', 'subscription t3: no pattern', 'refused']);
  await settled();
  assert.deepEqual(socket.of(UNSUB).map((m) => m.id), [1, 2, 3]);
  client.close();
  assert.equal((await five.next()).value.offset, 1);
  assert.equal((await rejection(five.next())).code, 'closed');
  assert.throws(() => client.subscribe('x'), { code: 'closed' });
});

test('options that cannot be leave nothing behind', async () => {
  const { socket, client } = await overSocket();
  const bad = [['', {}], ['a', { class: 'fast' }], ['a', { slow: 'no' }], ['a', { class: 'datagram', slow: 'pause' }],
    ['a', { class: 'stream', deadline: 5, slow: 'pause' }], ['a', { from: -1 }], ['a', { buffer: 0 }], ['a', { ago: 1.5 }],
    ['a', { as: '' }], ['a', { as: 'ä'.repeat(65) }]];
  for (const [pattern, options] of bad) assert.throws(() => client.subscribe(pattern, options), /subscribe: /);
  const aborted = client.subscribe('a', { signal: AbortSignal.abort() });
  assert.equal((await rejection(aborted.next())).code, 'aborted');
  await settled();
  assert.equal(socket.frames.length, 1);
});

test('after a loss it goes on behind what it has seen; what comes twice is told once', async () => {
  const { sockets, client, socket, again } = await overSocket();
  const live = client.subscribe('a/#'), past = client.subscribe('b', { from: 3 }), quiet = client.subscribe('c', { from: 0 });
  const never = client.subscribe('d', { liveOnly: true });
  await settled();
  socket.say(ack(1, 3, 40), ack(2, 3, 40), ack(3, 3, 40), ack(4, 3, 40), event(1, 'a/1', 1), event(1, 'a/1', 2), event(1, 'a/2', 8), gap(1, 'a/2', 9, 3),
    event(2, 'b', 3), event(1, 'none', 0, 'x', 0));
  const second = await again(1);
  const [a, b, c, d] = subs(second.frames).map((m) => m.options);
  assert.deepEqual(a, { slow: 'pause', credit: 1020, since: 40, epoch: 3, offsets: { 'a/1': [7, 2], 'a/2': [7, 11] } });
  assert.deepEqual(b, { slow: 'pause', credit: 1023, since: 0, epoch: 3, offsets: { b: [7, 3] } });
  assert.deepEqual(c, { slow: 'pause', credit: 1024, from: 0 });
  assert.deepEqual(d, { slow: 'pause', credit: 1024 });
  second.say(event(1, 'a/1', 2), event(1, 'a/1', 3), ack(1, 3, 90), event(2, 'b', 4));
  socket.onmessage({ data: event(1, 'a/1', 4).slice().buffer }); // of the old one
  assert.deepEqual(told((await all(live)).out), ['a/1 1', 'a/1 2', 'a/2 8', 'gap a/2 9+3', 'none 0', 'a/1 3']);
  assert.deepEqual(told((await all(past)).out), ['b 3', 'b 4']);
  const third = await again(2);
  assert.equal(subs(third.frames)[0].options.since, 40, 'the mark stays: it covers topics that were never named');
  for (const it of [quiet, never]) it.close();
  assert.equal(sockets.length, 3);
});

test('a service of another epoch: everything is new', async () => {
  const { client, socket, again } = await overSocket();
  const events = client.subscribe('#');
  await settled();
  socket.say(ack(1, 3, 40), event(1, 'a', 5), event(1, 'b', 5));
  const second = await again(1);
  second.say(event(1, 'a', 1, 'new', 8), ack(1, 4, 2), gap(1, null, 0, 0, 0), event(1, 'b', 1, 'new', 8));
  assert.deepEqual(told((await all(events)).out), ['a 5', 'b 5', 'a 1', 'gap null 0+0', 'b 1']);
  const third = await again(2);
  assert.deepEqual(subs(third.frames)[0].options, { slow: 'pause', credit: 1024, since: 0, epoch: 4, offsets: { a: [8, 1], b: [8, 1] } });
});

test('GOAWAY: subscriptions go on elsewhere, unacknowledged publishes end where they are', async () => {
  const { client, socket, again } = await overSocket();
  const events = client.subscribe('a');
  const published = client.publish('a', 'x', { ack: true });
  await settled();
  socket.say(ack(1, 3, 1), event(1, 'a', 1));
  const second = await again(1, () => socket.say(message(15, 0, 60_000, null)));
  assert.equal(socket.of(UNSUB)[0].id, 1);
  socket.say(event(1, 'a', 2), ack(2, 7, 2));
  assert.deepEqual(await published, { epoch: 7, offset: 2 });
  second.say(ack(1, 3, 2), event(1, 'a', 2));
  assert.deepEqual(told((await all(events)).out), ['a 1', 'a 2']);
});

test('who does not read: credit runs out, and comes back by halves', async () => {
  const { client, socket } = await overSocket();
  const events = client.subscribe('a', { buffer: 4 });
  await settled();
  socket.say(ack(1, 3, 0), ...[1, 2, 3, 4].map((i) => event(1, 'a', i)));
  assert.equal(socket.of(CREDIT).length, 0);
  await events.next();
  await settled();
  assert.equal(socket.of(CREDIT).length, 0);
  await events.next();
  await settled();
  assert.deepEqual(socket.of(CREDIT).map((m) => [m.id, m.credit]), [[1, 2]]);
});

test('a server that sends more than it may is held to the bound, and the gap is told', async () => {
  for (const [slow, want] of [['pause', ['a 1', 'a 2', 'gap a 3+4']], ['newest', ['a 1', 'a 2', 'gap a 3+4']], ['oldest', ['gap a 1+4', 'a 5', 'a 6']],
    ['latest', ['a 6']]]) {
    const { client, socket } = await overSocket();
    const events = client.subscribe('#', { buffer: slow === 'latest' ? 1 : 2, slow });
    await settled();
    for (let i = 1; i <= 6; i++) socket.say(event(1, 'a', i));
    assert.deepEqual(told((await all(events)).out), want, slow);
  }
  const { client, socket } = await overSocket();
  const events = client.subscribe('#', { buffer: 2, slow: 'close' });
  await settled();
  for (let i = 1; i <= 3; i++) socket.say(event(1, 'a', i));
  const { out, next } = await all(events, 2);
  assert.deepEqual([told(out), next], [['a 1', 'a 2'], undefined]);
  assert.equal((await rejection(events.next())).code, 'busy');
  assert.equal(socket.of(UNSUB).length, 1);
});

test('bytes have a bound of their own, whatever the policy; gaps of several topics have no topic', async () => {
  for (const slow of ['oldest', 'latest', 'newest']) {
    const { client, socket } = await overSocket();
    const events = client.subscribe('#', { bufferBytes: 10_000, slow });
    await settled();
    for (let i = 1; i <= 50; i++) socket.say(event(1, `t${i}`, 1, 'x'.repeat(i < 40 ? 10 : 4000)));
    const { out } = await all(events);
    const bytes = out.reduce((n, e) => n + (e.body?.length ?? 0), 0);
    assert(bytes <= 14_000, `${slow}: ${bytes}`);
    const gaps = out.filter((e) => e.type === 'gap');
    assert.deepEqual([gaps.length, gaps[0].topic], [1, null]);
    assert.equal(out.length - 1 + gaps[0].missed, 50);
  }
});

test('publish: sent, acknowledged, refused, lost, given up, too large', async () => {
  const { clock, client, socket, again } = await overSocket();
  assert.equal(await client.publish('a/b', { x: 1 }, { headers: { k: 'v' } }), undefined);
  await settled();
  const [p] = socket.of(PUB);
  assert.deepEqual([p.id, p.text, p.headers, p.body.value], [null, 'a/b', [['k', 'v']], { x: 1 }]);
  const taken = client.publish('a', 'x', { ack: true }), refused = client.publish('a/#', 'x', { ack: true });
  socket.say(ack(1, 7, 12), message(ERROR, 2, 13, 'no topic'));
  assert.deepEqual(await taken, { epoch: 7, offset: 12 });
  const error = await rejection(refused);
  assert.deepEqual([error.code, error.untouched, error.message], ['refused', true, 'publish a/#: no topic']);
  const late = rejection(client.publish('a', 'x', { ack: true, timeout: 50 }));
  await clock.advance(50);
  assert.deepEqual([(await late).code, (await late).untouched], ['timeout', false]);
  assert.equal((await rejection(client.publish('a', 'x', { signal: AbortSignal.abort() }))).untouched, true);
  assert.equal((await rejection(client.publish('a', 'x'.repeat(1 << 20)))).code, 'too_large');
  assert.equal((await rejection(client.publish('', 1))).name, 'TypeError');
  assert.match((await rejection(client.publish('a', new ReadableStream({})))).message, /no content in pieces/);
  socket.bufferedAmount = 17 << 20;
  assert.equal((await rejection(client.publish('a', 'x'))).code, 'busy');
  socket.bufferedAmount = 0;

  const lost = rejection(client.publish('a', 'lost', { ack: true }));
  let waiting;
  const second = await again(1, () => {
    socket.end();
    waiting = client.publish('a', 'waits', { ack: true });
  });
  assert.deepEqual([(await lost).code, (await lost).untouched], ['disconnected', false]);
  assert.deepEqual(second.of(PUB).map((m) => [m.id, m.body.value]), [[1, 'waits']]);
  client.close();
  assert.equal((await rejection(waiting)).code, 'closed');
  assert.equal((await rejection(client.publish('a', 'x'))).code, 'closed');
});

test('a server that speaks of what never was breaks the protocol', async () => {
  for (const wrong of [event(9, 'a', 1), ack(9, 1, 1), gap(9, 'a', 1, 1), event(1, 'a', 1)]) {
    const { client, socket } = await overSocket({ reconnect: false });
    const published = client.publish('a', 'x', { ack: true });
    published.catch(() => {});
    await settled();
    socket.say(wrong);
    assert.equal(client.state, 'closed');
  }
});

// ---- over WebTransport ----

test('ordered: a stream of the server; it is not read while its reader has enough', async () => {
  const { client, wt, control } = await overStreams();
  const events = client.subscribe('a', { buffer: 4, slow: 'oldest' });
  await settled();
  assert.equal(subs(control(0).frames)[0].text, 'a');
  const stream = wt.push();
  let pulled = 0;
  stream.onpull = () => pulled < 100 && stream.say(event(1, 'a', ++pulled));
  stream.say(event(1, 'a', ++pulled)); // before the ACK
  await settled();
  control(0).say(ack(1, 3, 0));
  await settled();
  assert(pulled < 10, `${pulled} were taken`);
  const { out } = await all(events, 100);
  assert.deepEqual(told(out), Array.from({ length: 100 }, (_, i) => `a ${i + 1}`));
});

test('a stream an event, datagrams, the control stream', async () => {
  const { client, wt, control } = await overStreams();
  const each = client.subscribe('a', { class: 'stream' }), loose = client.subscribe('b', { class: 'datagram' }), plain = client.subscribe('c');
  await settled();
  for (const o of [2, 1, 3]) wt.push().fin(event(1, 'a', o));
  wt.push().reset(1);
  wt.arriving.enqueue(event(2, 'b', 5));
  wt.arriving.enqueue(Uint8Array.of(1, 2, 3));
  wt.arriving.enqueue(event(77, 'b', 5));
  wt.arriving.enqueue(event(2, 'b', 4));
  control(0).say(event(3, 'c', 1));
  assert.deepEqual(told((await all(each)).out), ['a 2', 'a 1', 'a 3']);
  assert.deepEqual(told((await all(loose)).out), ['b 5', 'b 4']);
  assert.deepEqual(told((await all(plain)).out), ['c 1']);
  assert.equal(client.state, 'open');
});

test('a loss while streams are under way: what did not arrive comes, what did does not come again', async () => {
  const { clock, client, wt, sessions, control } = await overStreams();
  const events = client.subscribe('a', { class: 'stream' });
  client.subscribe('b', { class: 'stream', slow: 'latest' });
  await settled();
  control(0).say(ack(1, 3, 0), ack(2, 3, 0));
  for (const o of [1, 2, 5, 4]) wt.push().fin(event(1, 'a', o));
  for (const o of [1, 5, 4]) wt.push().fin(event(2, 'b', o)); // 2 and 3 were replaced
  await settled();
  wt.breakOff();
  await clock.advance(1000);
  await sessions[1].accept();
  await settled();
  assert.deepEqual(subs(control(1).frames).map((m) => m.options.offsets), [{ a: [7, 2] }, { b: [7, 5] }]);
  for (const o of [3, 4, 5, 6]) sessions[1].push().fin(event(1, 'a', o));
  assert.deepEqual(told((await all(events)).out), ['a 1', 'a 2', 'a 5', 'a 4', 'a 3', 'a 6']);
});

test('of a topic that it heard of at last the mark says where it begins, for what was under way may lie before', async () => {
  const { clock, client, wt, sessions, control } = await overStreams();
  const events = client.subscribe('#', { class: 'stream', buffer: 2000 }), past = client.subscribe('b', { class: 'stream', from: 7 });
  await settled();
  control(0).say(ack(1, 3, 50), ack(2, 3, 50));
  for (const o of [9, 12]) wt.push().fin(event(1, 'a', o));
  for (let o = 100; o < 1200; o++) control(0).say(event(1, 'long', o));
  wt.push().fin(event(2, 'b', 7));
  await all(events, 1102);
  wt.breakOff();
  await clock.advance(1000);
  await sessions[1].accept();
  await settled();
  const [first, second] = subs(control(1).frames).map((m) => m.options);
  assert.deepEqual([first.since, first.offsets], [50, { long: [7, 1199] }]);
  assert.deepEqual([second.since, second.offsets], [0, { b: [7, 7] }]);
  for (const o of [12, 11, 10, 9, 8]) sessions[1].push().fin(event(1, 'a', o));
  assert.deepEqual(told((await all(events)).out), ['a 11', 'a 10', 'a 8']);
  past.close();
});

test('a stream that only is lost: it subscribes again; of no subscription: it is not wanted', async () => {
  const { clock, client, wt, control } = await overStreams();
  const events = client.subscribe('a');
  await settled();
  control(0).say(ack(1, 3, 0));
  const stream = wt.push();
  stream.say(event(1, 'a', 1));
  await settled();
  stream.reset(3);
  await clock.advance(300);
  assert.deepEqual(subs(control(0).frames).map((m) => [m.id, m.options.offsets]), [[1, undefined], [2, { a: [7, 1] }]]);
  const other = wt.push();
  other.say(event(2, 'a', 2));
  await settled();
  assert.deepEqual(told((await all(events, 2)).out), ['a 1', 'a 2']);
  events.close();
  other.say(event(2, 'a', 3));
  await settled();
  assert.deepEqual([other.stopCode, control(0).frames.filter((m) => m.kind === UNSUB).map((m) => m.id)], [0, [1, 2]]);
  assert.equal(client.state, 'open');
});

test('frames that have no place on a stream of events', async () => {
  const { client, wt } = await overStreams({ reconnect: false });
  client.subscribe('a');
  await settled();
  wt.push().say(message(3, 1, 200, null, null));
  await settled();
  assert.equal(client.state, 'closed');
});

// ---- positions ----

test('positions are bounded, by topics, by text, by what is ahead', () => {
  const p = new Positions('kept');
  for (let i = 0; i < 10_000; i++) p.event(`t${i}`, 1, 1);
  assert.equal(p.topics.size, 8192);
  assert.equal(p.event('t9999', 1, 1), true, 'beyond that events may come twice');
  const long = new Positions('kept');
  for (let i = 0; i < 100; i++) long.event(`${i}${'x'.repeat(60_000)}`, 1, 1);
  assert(long.topics.size < 10);
  assert.equal(p.map(200).size < 10, true);
  const mixed = new Positions('mixed');
  mixed.event('a', 1, 1);
  for (let i = 3; i < 10_000; i++) mixed.event('a', 1, i);
  assert(mixed.topics.get('a').apart.size <= 1024);
  assert.equal(mixed.topics.get('a').last, 9999);
});
