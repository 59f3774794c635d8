// Sessions of @herz/client in Node, against the daemon: node resume.mjs PORT RESTART_FIFO. Connections go through a relay here, which
// is cut. A line written to the FIFO makes the caller end the daemon by force and start it again on its port. Prints a line a
// check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from '../../apps/web/client/src/node.js';
import { check, exitCode } from './check.mjs';
import { relay } from './relay.mjs';

const [port, fifo] = process.argv.slice(2);
const direct = await connect(`http://127.0.0.1:${port}`, { reconnect: { minMs: 1, maxMs: 20 } });
const through = await relay(port);
const counters = async () => (await direct.call('GET', '/counters')).body;

// until(state): resolves when it is told next.
async function resuming() {
  const client = await connect(through.url, { resume: true, reconnect: { minMs: 1, maxMs: 20 } });
  const waits = {};
  client.onstate = (state) => waits[state]?.();
  return { client, until: (state) => new Promise((resolve) => (waits[state] = resolve)) };
}

// All that stands in a topic up to the event "end".
async function all(topic) {
  await direct.publish(topic, 'end', { ack: true });
  const out = [];
  for await (const e of direct.subscribe(topic, { from: 0 })) {
    assert.equal(e.type, 'event');
    if (e.body === 'end') break;
    out.push(`${e.body} ${e.epoch} ${e.offset}`);
  }
  return out;
}

await check('a connection that is cut 60 times amid calls and publishes: each is done once and answered once', async () => {
  const before = await counters(), { client, until } = await resuming();
  const calls = [], publishes = [], slow = [], said = [];
  let made = 0;
  const call = (list, ...args) => (made++, list.push(client.call(...args)));
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 20; i++) {
      const n = `${round * 20 + i}`;
      call(calls, 'POST', '/topics/ledger/calls', { body: n });
      publishes.push(client.publish('ledger/publishes', n, { ack: true }));
    }
    call(slow, 'GET', `/slow/${50 + round}`);
    // Before it has left, while it is answered, or when it has been and nobody has heard of it.
    if (round % 3 === 1) await calls.at(-20);
    if (round % 3 === 2) {
      through.mute();
      made++;
      await direct.call('GET', '/users/1');
    }
    const again = until('open');
    through.cut();
    await again;
  }
  for (const { body } of await Promise.all(calls)) said.push(`${body.epoch} ${body.offset}`);
  const acks = (await Promise.all(publishes)).map((at) => `${at.epoch} ${at.offset}`);
  (await Promise.all(slow)).forEach((a, i) => assert.equal(a.body.waited_ms, 50 + i));
  assert.deepEqual((await all('ledger/calls')).sort(), said.map((at, n) => `${n} ${at}`).sort());
  assert.deepEqual((await all('ledger/publishes')).sort(), acks.map((at, n) => `${n} ${at}`).sort());
  const after = await counters(), grown = (name) => after[name] - before[name];
  assert.deepEqual([grown('calls'), grown('sessions_refused'), grown('sessions_overflowed')], [made + 1, 0, 0]);
  assert(grown('sessions_resumed') >= 60);
  client.close();
  return `${grown('sessions_resumed')} times resumed`;
}, 120);

await check('a connection that looks alive and carries nothing: it is noticed, and the call answered elsewhere', async () => {
  const { client, until } = await resuming();
  const again = until('open');
  through.silence();
  const call = client.call('POST', '/topics/ledger/silent', { body: 'x' });
  await again;
  assert.equal((await call).body.offset, 1);
  assert.equal((await all('ledger/silent')).length, 1);
  client.close();
});

await check('close() leaves no session behind, a cut does', async () => {
  const { client } = await resuming();
  const before = await counters(), other = await resuming();
  const closed = async (n) => {
    for (;;) {
      const now = await counters();
      if (now.conns_closed - before.conns_closed >= n) return now.sessions_parked - before.sessions_parked;
    }
  };
  client.close();
  assert.equal(await closed(1), 0);
  const again = other.until('open');
  through.cut();
  await again;
  assert.equal(await closed(2), 1);
  other.client.close();
});

await check('the daemon is ended by force and comes back: what may have been done is told so, the rest is done', async () => {
  const { client, until } = await resuming();
  through.mute();
  const fails = [client.call('POST', '/echo', { body: 'x' }), client.publish('ledger/force', 'x', { ack: true })]
    .map((p) => p.then(() => 'it resolved', (e) => [e.code, e.untouched]));
  const safe = client.call('GET', '/slow/100');
  await direct.call('GET', '/users/1');
  const again = until('open'), lost = until('reconnecting');
  writeFileSync(fifo, 'restart\n');
  await lost;
  const waited = client.call('POST', '/echo', { body: 'after' });
  await again;
  assert.deepEqual(await Promise.all(fails), [['reset', false], ['reset', false]]);
  assert.deepEqual([(await safe).body.waited_ms, (await waited).body], [100, 'after']);
  client.close();
});

process.exit(exitCode());
