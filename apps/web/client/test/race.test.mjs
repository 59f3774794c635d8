// The race, with sessions that become ready or fail when the test says so, and a clock that the test moves.
import assert from 'node:assert/strict';
import test from 'node:test';
import { HerzError } from '../src/errors.js';
import { FORGET_MS, HEAD_START_MS, Memory, race } from '../src/race.js';
import { FakeClock, settled } from '../support/fakes.mjs';

function begin(more = {}) {
  const clock = more.clock ?? new FakeClock();
  const made = {};
  const promise = race({
    place: { name: 'https://h', key: 'h', transports: ['webtransport', 'websocket'] },
    env: clock.env,
    memory: more.memory ?? new Memory(),
    timeoutMs: 10_000,
    make(transport) {
      if (more.throws?.includes(transport)) throw new Error('not here');
      const s = { transport, closed: false, close: () => (s.closed = true) };
      s.ready = new Promise((resolve, reject) => Object.assign(s, { succeed: () => resolve(s), fail: reject }));
      s.ready.catch(() => {});
      made[transport] = s;
      return s;
    },
  });
  promise.catch(() => {});
  return { clock, made, promise };
}

const lost = (code = 'disconnected') => new HerzError(code, 'it failed');
const rejection = (promise) => promise.then(() => assert.fail('it resolved'), (e) => e);

test('WebTransport is alone for its head start, and wins when it is ready then', async () => {
  const { clock, made, promise } = begin();
  await clock.advance(HEAD_START_MS - 1);
  assert.deepEqual(Object.keys(made), ['webtransport']);
  made.webtransport.succeed();
  assert.equal((await promise).transport, 'webtransport');
  await clock.advance(20_000);
  assert.deepEqual(Object.keys(made), ['webtransport'], 'WebSocket is never begun');
});

test('after the head start both run; the first that is ready wins and the other is closed', async () => {
  for (const [winner, loser] of [['webtransport', 'websocket'], ['websocket', 'webtransport']]) {
    const { clock, made, promise } = begin();
    await clock.advance(HEAD_START_MS);
    made[winner].succeed();
    assert.equal((await promise).transport, winner);
    assert.equal(made[loser].closed, true);
    assert.equal(made[winner].closed, false);
    assert.equal(clock.earliest, undefined, 'no timer is left');
  }
});

test('a failure of WebTransport ends its head start at once', async () => {
  const { made, promise } = begin();
  made.webtransport.fail(lost());
  await settled();
  made.websocket.succeed();
  assert.equal((await promise).transport, 'websocket');
  const { made: other, promise: second } = begin({ throws: ['webtransport'] });
  other.websocket.succeed();
  assert.equal((await second).transport, 'websocket');
});

test('what did not get through is remembered, and tried last until it is forgotten', async () => {
  const memory = new Memory(), clock = new FakeClock();
  const first = begin({ memory, clock });
  await clock.advance(HEAD_START_MS);
  first.made.websocket.succeed();
  await first.promise;

  const second = begin({ memory, clock });
  assert.deepEqual(Object.keys(second.made), ['websocket'], 'no head start for WebTransport');
  await clock.advance(5000);
  assert.deepEqual(Object.keys(second.made), ['websocket']);
  second.made.websocket.fail(lost());
  await settled();
  second.made.webtransport.succeed();
  assert.equal((await second.promise).transport, 'webtransport', 'tried when the other fails');

  const third = begin({ memory, clock });
  assert.deepEqual(Object.keys(third.made), ['webtransport'], 'and no longer in doubt');
  third.made.webtransport.fail(lost());
  await settled();
  third.made.websocket.succeed();
  await third.promise;
  assert.deepEqual(Object.keys(begin({ memory, clock }).made), ['websocket']);
  await clock.advance(FORGET_MS + 1);
  assert.deepEqual(Object.keys(begin({ memory, clock }).made), ['webtransport']);
});

test('that nothing gets through says nothing about a transport', async () => {
  const memory = new Memory();
  const { made, promise } = begin({ memory });
  made.webtransport.fail(lost());
  await settled();
  made.websocket.fail(lost());
  const error = await rejection(promise);
  assert.equal(error.code, 'unreachable');
  assert.match(error.message, /https:\/\/h: no connection \(it failed; it failed\)/);
  assert.equal(error.cause.errors.length, 2);
  assert.deepEqual(Object.keys(begin({ memory }).made), ['webtransport']);
});

test('who is denied is not let in by another way', async () => {
  const { clock, made, promise } = begin();
  await clock.advance(HEAD_START_MS);
  made.webtransport.fail(lost('denied'));
  assert.equal((await rejection(promise)).code, 'denied');
  assert.equal(made.websocket.closed, true);
});

test('an attempt has an end', async () => {
  const { clock, made, promise } = begin();
  await clock.advance(10_000);
  assert.match((await rejection(promise)).message, /within 10000 ms/);
  assert.equal(made.webtransport.closed && made.websocket.closed, true);
});

test('the memory is bounded', () => {
  const memory = new Memory();
  for (let i = 0; i < 1000; i++) memory.failed(`websocket h${i}`, 0);
  assert.equal(memory.until.size, 100);
  assert(memory.remembers('websocket h999', 1));
});
