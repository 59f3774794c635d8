// Sessions that outlive connections. The ledger: calls, publishes and events while connections are cut, go silent and move between
// transports; each is counted where it is done and where it is answered. HERZ_RESUME_SEEDS says how many seeds.
import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../src/client.js';
import { CANCEL, DONE, GOAWAY, HELLO, PING, PUB, REQ, SUB } from '../src/envelope.js';
import { Memory, TURN_MS } from '../src/race.js';
import { FakeClock, fakeWebSockets, fakeWebTransports, settled, welcome } from '../support/fakes.mjs';
import { message, randomOf, Service } from '../support/service.mjs';

const SEEDS = Number(process.env.HERZ_RESUME_SEEDS ?? 20);
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);
const forgetful = { failed() {}, worked() {}, remembers: () => false };

// ---- the ledger ----

class Ledger {
  constructor(seed) {
    this.below = randomOf(seed);
    this.clock = new FakeClock();
    this.service = new Service(this.clock, this.below);
    this.entries = [];
    this.heard = [];
    this.gaps = 0;
  }

  async open(options) {
    this.service.udp = options.udp === true;
    const promise = connect('https://h', { WebSocket: this.service.FakeWebSocket, WebTransport: this.service.FakeWebTransport, env: this.clock.env,
      memory: forgetful, random: () => this.below(1000) / 1000, reconnect: { minMs: 50, maxMs: 500 }, connectTimeout: 5000, resume: true });
    await this.clock.advance(500);
    this.client = await promise;
    this.listen(this.client.subscribe('said')).catch((error) => (this.ended = error.code));
    await this.clock.advance(200);
  }

  async listen(feed) {
    for await (const it of feed) {
      if (it.type === 'gap') this.gaps++;
      else this.heard.push(`${it.offset} ${it.body}`);
    }
  }

  begin(method) {
    const name = `/${method}/${this.entries.length}`;
    const entry = { method, name, answers: 0 };
    const options = { timeout: 0 };
    this.entries.push(entry);
    const promise = method === 'PUB' ? this.client.publish('said', name, { ...options, ack: true }) : this.client.call(method, name, options);
    promise.then((it) => Object.assign(entry, { answers: entry.answers + 1, value: it }),
      (error) => Object.assign(entry, { answers: entry.answers + 1, error }));
  }

  disturb(restarts) {
    const { below, service, clock } = this;
    if (below(3) === 0) service.udp = !service.udp;
    service.slow = [30, 30, 600][below(3)];
    service.welcomesLost = below(4) === 0 ? 1 + below(2) : 0;
    if (below(4) === 0) {
      service.down = true;
      clock.env.setTimeout(() => (service.down = false), below(2000));
    }
    if (restarts && below(3) === 0) return service.restart();
    for (const line of service.alive) line.cut({ silent: below(3) === 0, deaf: below(2) === 0, after: below(5000) });
    return undefined;
  }

  async run(n, restarts = false) {
    for (let i = 0; i < n; i++) {
      this.begin(['POST', 'PUB', 'GET'][i % 3]);
      if (this.below(2) === 0) await this.clock.advance(this.below(300));
      if (this.below(10) === 0) this.disturb(restarts);
    }
    Object.assign(this.service, { down: false, welcomesLost: 0, udp: true, slow: 30 });
    for (let t = 0; t < 90 && this.entries.some((e) => e.answers === 0); t++) await this.clock.advance(1000);
    await this.clock.advance(5000);
    this.client.close();
    await this.clock.advance(1000);
  }

  // How often it was done.
  done({ method, name }) {
    return method === 'PUB' ? this.service.log.filter((b) => b === name).length : this.service.ran.get(name) ?? 0;
  }

  isRight({ method, name, value }) {
    return method === 'PUB' ? this.service.log[value.offset - 1] === name : value.body === name;
  }
}

const sums = {};
const add = (counts) => {
  for (const [k, n] of Object.entries(counts)) if (typeof n === 'number') sums[k] = (sums[k] ?? 0) + n;
  for (const [k, n] of Object.entries(counts.opened ?? {})) sums[k] = (sums[k] ?? 0) + n;
};

for (const transports of ['websocket', 'both, and moving between them']) {
  test(`nothing is lost and nothing is done twice: ${transports}`, async () => {
    for (const k of Object.keys(sums)) delete sums[k];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const ledger = new Ledger(seed), { service } = ledger;
      await ledger.open({ udp: transports !== 'websocket' });
      if (transports === 'websocket') Object.defineProperty(service, 'udp', { get: () => false, set: () => {} });
      await ledger.run(90);
      for (const e of ledger.entries) {
        const said = `seed ${seed}, ${e.name}: ${e.error?.message ?? ''}`;
        assert.deepEqual([ledger.done(e), e.answers, e.error], [1, 1, undefined], said);
        assert(ledger.isRight(e), said);
      }
      assert.deepEqual(ledger.heard, service.log.map((b, i) => `${i + 1} ${b}`), `seed ${seed}`);
      assert.deepEqual([ledger.gaps, service.counts.refused, service.tokens.size], [0, 0, 0], `seed ${seed}`);
      add(service.counts);
    }
    assert(sums.resumed > 2 * SEEDS && sums.repeated > 5 * SEEDS && sums.displaced > SEEDS / 2, JSON.stringify(sums));
    assert(sums.ws > SEEDS && (transports === 'websocket' || sums.wt > SEEDS), JSON.stringify(sums));
  });
}

test('a service that forgets: what was sent and is not safe is told to be unknown, all else is done', async () => {
  let unknown = 0, done = 0, again = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const ledger = new Ledger(1000 + seed);
    await ledger.open({ udp: true });
    await ledger.run(90, true);
    for (const e of ledger.entries) {
      const said = `seed ${seed}, ${e.name}: ${e.error?.message ?? ''}`, n = ledger.done(e);
      assert.equal(e.answers, 1, said);
      if (e.error !== undefined) {
        assert.deepEqual([e.error.code, e.error.untouched, e.method !== 'GET', n <= 1], ['reset', false, true, true], said);
        unknown++;
        done += n;
      } else {
        assert(ledger.isRight(e) && (n === 1 || (n > 1 && e.method === 'GET')), `${said} ${n}`);
        if (n > 1) again++;
      }
    }
    assert.deepEqual(ledger.heard, ledger.service.log.map((b, i) => `${i + 1} ${b}`), `seed ${seed}`);
    add(ledger.service.counts);
  }
  assert(unknown > SEEDS / 2 && done > 0 && done < unknown && again > 0, `${unknown} unknown, ${done} of them done, ${again} safe ones again`);
});

// ---- frame by frame ----

async function open(options = {}, grants = { token: 'one' }) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets();
  const states = [];
  const promise = connect('ws://h', { WebSocket: FakeWebSocket, env: clock.env, memory: new Memory(), random: () => 1, resume: true,
    onstate: (state, error) => states.push(error === undefined ? state : `${state}: ${error.code}`), ...options });
  await settled();
  sockets[0].accept(grants);
  const client = await promise;
  // A connection is made, and welcomed.
  const next = async (grants = { resumed: true, token: 'next' }) => {
    while (sockets.at(-1).readyState !== 0) await clock.advance(clock.earliest);
    sockets.at(-1).accept(grants);
    await settled();
    return sockets.at(-1);
  };
  const again = (grants) => {
    sockets.at(-1).end();
    return next(grants);
  };
  return { clock, sockets, states, client, socket: sockets[0], next, again };
}

const GONE = { token: 'other' }; // not resumed
const done = (socket) => socket.of(DONE).map((m) => [m.id, m.credit]);
const heads = (socket) => socket.of(REQ).map((m) => `${m.id} ${m.method} ${m.path}`);
const failure = async (promise) => {
  const { code, untouched } = await rejection(promise);
  return [code, untouched];
};
const RESET = ['reset', false];

test('HELLO asks; on the next connection what is unanswered goes again, under its ids', async () => {
  const { sockets, client, clock } = await open();
  const [get, post] = ['GET', 'POST'].map((m) => client.call(m, '/1', { body: 'b', headers: { h: '1' } }));
  const publish = client.publish('t', 'x', { ack: true });
  const over = client.call('POST', '/over');
  client.publish('t', 'y');
  client.subscribe('s');
  await settled();
  assert.deepEqual([sockets[0].frames[0].options.resume, done(sockets[0])], ['new', [[1, 0]]]);
  sockets[0].say(message(3, 4, 200, null, 'over'));
  await over;
  sockets[0].end();
  const later = client.call('POST', '/later');
  await clock.advance(250);
  sockets[1].open();
  await settled();
  assert.deepEqual(sockets[1].frames.map((m) => [m.kind, m.options.resume]), [[HELLO, 'one']], 'nothing else before WELCOME');
  sockets[1].end(); // WELCOME is lost
  await clock.advance(500);
  sockets[2].open();
  await settled();
  sockets[2].say(welcome({ resumed: true, token: 'two' }));
  await settled();
  assert.equal(sockets[2].frames[0].options.resume, 'one');
  assert.deepEqual(sockets[2].frames.map((m) => m.kind), [HELLO, DONE, DONE, SUB, PUB, REQ, REQ, REQ]);
  assert.deepEqual(done(sockets[2]), [[1, 0], [4, 1]]);
  assert.deepEqual(heads(sockets[2]), ['1 GET /1', '2 POST /1', '7 POST /later']);
  assert.deepEqual([sockets[2].of(SUB)[0].id, sockets[2].of(PUB).map((m) => [m.id, m.body.value])], [6, [[3, 'x']]]);
  assert.deepEqual(sockets[2].of(REQ)[1], sockets[0].of(REQ)[1], 'as it was');
  sockets[2].say(message(3, 1, 200, null, 'A'), message(3, 2, 201, null, 'B'), message(11, 3, 5, 6), message(3, 7, 202, null, 'C'));
  assert.deepEqual([(await get).body, (await post).status, await publish, (await later).body], ['A', 201, { epoch: 5, offset: 6 }, 'C']);
});

test('DONE is said for 32 answers at a time, in ranges; on a new connection for all', async () => {
  const { socket, client, again } = await open();
  const all = Array.from({ length: 70 }, (_, i) => (i % 2 ? client.publish('t', i, { ack: true }) : client.call('GET', `/${i}`)));
  await settled();
  const ids = (is) => socket.frames.filter((m) => [REQ, PUB].includes(m.kind) && is(m)).map((m) => m.id);
  assert.deepEqual(ids(() => true), Array.from({ length: 70 }, (_, i) => i + 1));
  const answer = (id) => (id % 2 ? message(3, id, 200, null, null) : message(11, id, 1, 1));
  for (const id of [3, 1, 5, 4, 6, 7, 8]) socket.say(answer(id));
  for (let id = 10; id <= 33; id++) socket.say(answer(id));
  await settled();
  assert.deepEqual(done(socket), [[1, 0]], '31 are not enough');
  socket.say(answer(40));
  await settled();
  assert.deepEqual(done(socket).slice(1), [[1, 1], [3, 6], [10, 24], [40, 1]]);
  socket.say(answer(2), answer(9), answer(41));
  const second = await again();
  assert.deepEqual(done(second), [[1, 33], [41, 1]], 'all up to the first without an answer: what was said may be lost');
  for (const id of [34, 35, 36, 37, 38, 39]) second.say(answer(id));
  for (let id = 42; id <= 70; id++) second.say(answer(id));
  await Promise.all(all);
  await settled();
  assert.deepEqual(done((await again())), [[1, 70]]);
});

test('a session that is not resumed: what is not safe is unknown, what is goes again, what had not left goes', async () => {
  const { client, socket, again } = await open();
  const [get, options, post] = ['GET', 'OPTIONS', 'POST'].map((m) => client.call(m, '/'));
  const publish = client.publish('t', 'x', { ack: true });
  const stop = new AbortController();
  const given = rejection(client.call('POST', '/given', { signal: stop.signal }));
  await settled();
  socket.end();
  stop.abort();
  const waits = client.call('POST', '/waits'), unsent = client.publish('t', 'unsent', { ack: true });
  const lost = [failure(waits), failure(unsent)];
  const fails = [failure(post), failure(publish)];
  const second = await again(GONE);
  assert.deepEqual(await Promise.all(fails), [RESET, RESET]);
  assert.match((await rejection(post)).message, /POST \/: the session is gone/);
  assert.equal((await given).code, 'aborted');
  assert.deepEqual(heads(second), ['2 GET /', '3 OPTIONS /', '4 POST /waits']);
  assert.deepEqual([done(second), second.of(PUB).map((m) => m.id)], [[[1, 0]], [1]]);
  second.say(message(3, 3, 204, null, null));
  assert.equal((await options).status, 204);
  // As often as it takes: only its own deadline ends a call that is safe.
  const third = await again(GONE), fourth = await again({ token: 'x', resumed: true });
  assert.deepEqual([heads(third), heads(fourth)], [['1 GET /'], ['1 GET /']]);
  fourth.say(message(3, 1, 200, null, 'at last'));
  assert.equal((await get).body, 'at last');
  assert.deepEqual(await Promise.all(lost), [RESET, RESET]);
});

test('content in pieces is not continued', async () => {
  const { client, socket, again } = await open();
  async function* pieces() {
    yield 'a';
    await new Promise(() => {});
  }
  const large = new Uint8Array(70_000);
  const up = failure(client.call('POST', '/up', { body: pieces() })), blob = failure(client.call('POST', '/blob', { body: large }));
  const upSafe = client.call('GET', '/blob', { body: large }), half = client.call('GET', '/half');
  const halfPost = failure(client.call('POST', '/half')), handedOut = client.stream('GET', '/out'), later = client.stream('POST', '/later');
  await settled();
  for (const id of [4, 5, 6]) socket.say(message(3, id, 200, null), message(4, id, Buffer.from('old')));
  const read = failure((await handedOut).text());
  const second = await again();
  assert.deepEqual(await Promise.all([up, blob, halfPost, read]), [RESET, RESET, RESET, RESET]);
  assert.deepEqual(heads(second), ['8 GET /blob', '4 GET /half', '7 POST /later']);
  assert.deepEqual(done(second), [[1, 3], [5, 2]], 'who has given up says so');
  second.say(message(3, 4, 200, null), message(4, 4, Buffer.from('new')), message(5, 4), message(3, 7, 200, null, 'x'), message(3, 8, 200, null, 'y'));
  assert.deepEqual([Buffer.from((await half).body).toString(), await (await later).text(), (await upSafe).body], ['new', 'x', 'y']);
});

test('a connection that has no stream for what was sent before says nothing about it: its id stays', async () => {
  const { FakeWebTransport, sessions } = fakeWebTransports();
  const clock = new FakeClock();
  const promise = connect('https://h', { WebTransport: FakeWebTransport, transports: ['webtransport'], env: clock.env, memory: forgetful,
    random: () => 0.5, reconnect: { minMs: 50, maxMs: 500 }, resume: true });
  await settled();
  await sessions[0].accept({ token: 'one' });
  const client = await promise;
  const once = client.call('POST', '/once');
  await settled();
  sessions[0].breakOff();
  await settled();
  const fresh = client.call('POST', '/fresh');
  const next = async (n) => {
    while (sessions.length <= n) await clock.advance(clock.earliest);
    sessions[n].open();
    await settled();
  };
  await next(1);
  sessions[1].noStreams = Promise.reject(new Error('closed'));
  sessions[1].noStreams.catch(() => {});
  sessions[1].streams[0].say(welcome({ resumed: true, token: 'two' }));
  await settled();
  assert.equal(sessions[1].streams.length, 1);
  await next(2);
  sessions[2].streams[0].say(welcome({ resumed: true, token: 'three' }));
  await settled();
  const [control, ...calls] = sessions[2].streams;
  const requests = calls.map(({ frames: [m] }) => [m.path, m.id]);
  assert.deepEqual(requests[0], ['/once', 1]);
  assert.equal(requests[1][0], '/fresh');
  assert(!control.frames.some((m) => m.kind === DONE && m.id <= 1 && 1 < m.id + m.credit), 'the service is not told to forget it');
  calls.forEach((stream, i) => stream.fin(message(3, requests[i][1], 200, null, requests[i][0])));
  assert.deepEqual([(await once).body, (await fresh).body], ['/once', '/fresh']);
  client.close();
});

test('ERROR 14: it has been done, and its answer is gone', async () => {
  const { client, socket } = await open();
  const call = failure(client.call('POST', '/')), publish = failure(client.publish('t', 'x', { ack: true }));
  await settled();
  socket.say(message(16, 1, 14, 'gone'), message(16, 2, 14, 'gone'));
  assert.deepEqual([await call, await publish, client.state], [RESET, RESET, 'open']);
});

test('close() ends the session with the connection, also for those that wait for another', async () => {
  const { client, socket, clock } = await open();
  const call = failure(client.call('POST', '/'));
  await settled();
  client.close();
  assert.deepEqual([await call, socket.of(CANCEL).length, socket.of(GOAWAY).length], [['closed', false], 1, 1]);

  const other = await open();
  const fails = [failure(other.client.call('POST', '/')), failure(other.client.publish('t', 1, { ack: true }))];
  await settled();
  other.socket.end();
  fails.push(failure(other.client.call('POST', '/unsent')));
  other.client.close();
  assert.deepEqual(await Promise.all(fails), [['closed', false], ['closed', false], ['closed', true]]);
  assert.deepEqual([clock.earliest, other.clock.earliest], [undefined, undefined]);
});

test('a deadline passes while a call waits for a connection', async () => {
  const { client, socket, clock, next } = await open();
  const call = failure(client.call('POST', '/', { timeout: 100 })), publish = failure(client.publish('t', 'x', { ack: true, timeout: 100 }));
  await settled();
  socket.end();
  await clock.advance(100);
  assert.deepEqual([await call, await publish], [['timeout', false], ['timeout', false]]);
  const second = await next();
  assert.deepEqual([heads(second), second.of(PUB), done(second)], [[], [], [[1, 2]]]);

  client.call('POST', '/', { timeout: 0 }).catch(() => {});
  const many = Array.from({ length: 40 }, () => failure(client.call('POST', '/', { timeout: 100 })));
  await settled();
  second.end();
  await clock.advance(100);
  assert.equal((await Promise.all(many)).length, 40);
  assert.deepEqual(done(await next()), [[1, 2], [4, 40]], 'nobody was there to be told');
});

test('who only sends asks each interval, and is to be answered within another', async () => {
  const { client, socket, clock } = await open({}, { token: 'one', ping_ms: 1000 });
  for (let i = 1; i <= 3; i++) {
    for (let k = 0; k < 10; k++) {
      await clock.advance(100);
      client.publish('t', 'x');
    }
    assert.equal(socket.of(PING).length, i);
    socket.say(message(14, new Uint8Array(8)));
  }
  await clock.advance(1999);
  assert.deepEqual([client.state, socket.of(PING).length], ['open', 4]);
  await clock.advance(1);
  assert.deepEqual([client.state, socket.closed.code], ['reconnecting', 4002]);
});

test('without a token nothing is repeated; nor is a session asked for without reconnect', async () => {
  const { client, socket, again } = await open({}, {});
  const fails = [failure(client.call('POST', '/')), failure(client.publish('t', 'x', { ack: true }))];
  const get = client.call('GET', '/');
  await settled();
  const second = await again({});
  assert.deepEqual(await Promise.all(fails), [['disconnected', false], ['disconnected', false]]);
  assert.deepEqual([socket.of(DONE), second.of(DONE), second.frames[0].options.resume, heads(second)], [[], [], 'new', ['1 GET /']]);
  second.say(message(3, 1, 200, null, null));
  await get;
  const all = Array.from({ length: 40 }, () => client.call('GET', '/'));
  await settled();
  for (let id = 2; id <= 41; id++) second.say(message(3, id, 200, null, null));
  await Promise.all(all);
  await settled();
  assert.deepEqual(second.of(DONE), []);
  client.close();
  assert.equal(second.of(GOAWAY).length, 0);
  for (const options of [{ reconnect: false }, { resume: false }]) assert.equal((await open(options)).socket.frames[0].options.resume, undefined);
});

test('GOAWAY, and the session goes on elsewhere: the old connection is left, what it had not answered comes along', async () => {
  const { sockets, client, next } = await open();
  const [one, two, late] = ['/1', '/2', '/late'].map((path) => client.call('POST', path)), publish = client.publish('t', 'x', { ack: true });
  await settled();
  sockets[0].say(message(15, 2, 5000, null), message(3, 1, 200, null, 'one'));
  assert.equal((await one).body, 'one');
  const second = await next();
  assert.equal(sockets[0].closed.code, 1000);
  assert.deepEqual([sockets[0].of(CANCEL), sockets[0].of(GOAWAY)], [[], []], 'nothing is given up');
  assert.deepEqual([heads(second), second.of(PUB).map((m) => m.id), done(second)], [['5 POST /late', '2 POST /2'], [4], [[1, 1], [3, 1]]]);
  second.say(message(3, 2, 200, null, 'two'), message(3, 5, 200, null, 'late'), message(11, 4, 1, 1));
  assert.deepEqual([(await two).body, (await late).body, (await publish).offset], ['two', 'late', 1]);
});

test('GOAWAY, and another session elsewhere: the old connection answers what it has', async () => {
  const { sockets, client, next } = await open();
  const one = client.call('POST', '/1'), two = failure(client.call('POST', '/2')), get = client.call('GET', '/');
  const publishes = ['x', 'y'].map((b) => client.publish('t', b, { ack: true }));
  const refused = failure(publishes[1]);
  await settled();
  sockets[0].say(message(15, 5, 5000, null));
  const second = await next(GONE);
  assert.deepEqual([sockets[0].closed, heads(second)], [undefined, []]);
  sockets[0].say(message(3, 1, 200, null, 'one'), message(11, 4, 1, 1));
  assert.deepEqual([(await one).body, (await publishes[0]).offset], ['one', 1]);
  sockets[0].end();
  await settled();
  assert.deepEqual([await two, await refused, heads(second)], [RESET, RESET, ['1 GET /']]);
  second.say(message(3, 1, 200, null, 'got'));
  assert.deepEqual([(await get).body, client.state], ['got', 'open']);
});

test('GOAWAY, and nobody else: after the grace the calls wait for another connection', async () => {
  const { sockets, client, clock, next } = await open();
  const call = client.call('POST', '/');
  await settled();
  sockets[0].say(message(15, 1, 100, null));
  await clock.advance(100);
  assert.deepEqual([sockets[0].closed.code, sockets[0].of(CANCEL).length], [1000, 0]);
  const second = await next();
  assert.deepEqual(heads(second), ['1 POST /']);
  second.say(message(3, 1, 200, null, 'done'));
  assert.equal((await call).body, 'done');
});

test('so many publishes are under way that the service can remember them; all are repeated', async () => {
  const { client, socket, again } = await open({}, { token: 'one', calls: 5000 });
  const all = Array.from({ length: 3000 }, (_, i) => client.publish('t', i, { ack: true, timeout: 0 }));
  const calls = Array.from({ length: 1500 }, () => client.call('GET', '/', { timeout: 0 }));
  await settled();
  assert.deepEqual([socket.of(PUB).length, socket.of(REQ).length], [2048, 1024]);
  for (let id = 1; id <= 100; id++) socket.say(message(11, id, 1, id));
  await settled();
  assert.equal(socket.of(PUB).length, 2048, 'of 3072 under way 100 are over');
  const second = await again({ token: 'two', resumed: true, calls: 5000 });
  assert.deepEqual([second.of(PUB).length, second.of(REQ).length], [1948, 1024]);
  assert.deepEqual(second.of(PUB).map((m) => m.body.value), Array.from({ length: 1948 }, (_, i) => i + 100), 'in their order');
  for (let round = 0, seen = 0; round < 10; round++) {
    const fresh = second.frames.filter((m) => m.kind === PUB || m.kind === REQ).slice(seen);
    seen += fresh.length;
    for (const m of fresh) second.say(m.kind === PUB ? message(11, m.id, 1, m.body.value + 1) : message(3, m.id, 200, null, null));
    await settled();
  }
  assert.deepEqual((await Promise.all(all)).map((at) => at.offset), Array.from({ length: 3000 }, (_, i) => i + 1));
  assert.equal((await Promise.all(calls)).length, 1500);
});

// ---- two transports ----

async function race(options = {}) {
  const clock = new FakeClock();
  const { FakeWebSocket, sockets } = fakeWebSockets(), { FakeWebTransport, sessions } = fakeWebTransports();
  const promise = connect('https://h', { WebSocket: FakeWebSocket, WebTransport: FakeWebTransport, env: clock.env, memory: new Memory(),
    random: () => 1, resume: true, ...options });
  promise.catch(() => {});
  await clock.advance(300);
  return { clock, sockets, sessions, promise };
}

const opened = async (wt) => {
  wt.open();
  await settled();
};

test('of two that are open one shows the token; the other does when the first fails', async () => {
  const { sockets, sessions, promise } = await race();
  await opened(sessions[0]);
  sockets[0].open();
  await settled();
  assert.deepEqual([sessions[0].streams[0].frames.length, sockets[0].frames.length], [1, 0]);
  sessions[0].breakOff();
  await settled();
  assert.deepEqual(sockets[0].of(HELLO).length, 1);
  sockets[0].say(welcome({ token: 'one' }));
  assert.equal((await promise).transport, 'websocket');
});

test('of two that are open the second has its turn when the first is not welcomed', async () => {
  const { clock, sockets, sessions, promise } = await race();
  sockets[0].open();
  await opened(sessions[0]);
  await clock.advance(TURN_MS - 1);
  assert.deepEqual([sockets[0].of(HELLO).length, sessions[0].streams[0].sent.length], [1, 0]);
  await clock.advance(1);
  assert.deepEqual([sockets[0].closed.code, sessions[0].streams[0].frames.length], [1000, 1], 'only one of them may be welcomed');
  sessions[0].streams[0].say(welcome({ token: 'one' }));
  const client = await promise;
  assert.equal(client.transport, 'webtransport');
  await clock.advance(5000);
  assert.equal(client.state, 'open');

  const other = await race();
  await opened(other.sessions[0]);
  other.sockets[0].open();
  other.sessions[0].streams[0].say(welcome({ token: 'one' }));
  (await other.promise).close();
  assert.deepEqual([other.sockets[0].sent.length, other.sockets[0].closed.code, other.clock.earliest], [0, 1000, undefined]);
});

test('from WebTransport to WebSocket: under the same ids, on one stream', async () => {
  const { clock, sockets, sessions, promise } = await race();
  await sessions[0].accept({ token: 'one' });
  const client = await promise;
  const calls = [client.call('POST', '/1'), client.call('POST', '/2')], publish = client.publish('t', 'x', { ack: true });
  await settled();
  const [control, one] = sessions[0].streams;
  assert.deepEqual(control.frames.map((m) => m.kind), [HELLO, DONE, PUB]);
  one.fin(message(3, 1, 200, null, 'one'));
  assert.equal((await calls[0]).body, 'one');
  sessions[0].breakOff();
  await clock.advance(250);
  sessions[1].refuse(new Error('no UDP'));
  await settled();
  sockets.at(-1).accept({ token: 'two', resumed: true });
  await settled();
  assert.deepEqual([heads(sockets.at(-1)), done(sockets.at(-1)), sockets.at(-1).of(PUB)[0].id], [['2 POST /2'], [[1, 1]], 3]);
  sockets.at(-1).say(message(3, 2, 200, null, 'two'), message(11, 3, 1, 9));
  assert.deepEqual([(await calls[1]).body, (await publish).offset, client.transport], ['two', 9, 'websocket']);
});
