// @herz/client in Node on topics, against the daemon: node topics.mjs PORT HERZ. HERZ is the program that publishes over
// tcp. Connections go through a relay here, which is cut. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { connect } from '../../apps/web/client/src/node.js';
import { check, exitCode } from './check.mjs';
import { lines } from './publish.mjs';
import { relay } from './relay.mjs';

const [port, herz] = process.argv.slice(2);
const direct = `http://127.0.0.1:${port}`;

const quick = { reconnect: { minMs: 1, maxMs: 20 } };

// Reads until `n` events have come.
async function take(events, n, each = () => {}) {
  const out = [];
  while (out.length < n) {
    const { value, done } = await events.next();
    if (done) throw new Error(`it ended after ${out.length} events`);
    assert.equal(value.type, 'event', `a gap: ${JSON.stringify(value)}`);
    out.push(value);
    await each(out.length);
  }
  return out;
}

function inOrder(events, n, of = (e) => e.body) {
  assert.deepEqual(events.map(of), Array.from({ length: n }, (_, i) => `${i}`));
}

await check('what herz publishes over tcp comes in order, each with its position', async () => {
  const client = await connect(direct);
  const events = client.subscribe('ledger/first');
  await events.ready;
  const sent = lines(herz, port, 'ledger/first', 1000);
  const got = await take(events, 1000);
  await sent;
  inOrder(got, 1000);
  assert.deepEqual(got.map((e) => e.offset), Array.from({ length: 1000 }, (_, i) => i + 1));
  const past = await take(client.subscribe('ledger/first', { from: 501 }), 500);
  assert.equal(past[0].body, '500');
  client.close();
});

await check('a connection that is cut 40 times while events are published: the ledger is exact', async () => {
  const through = await relay(port);
  const publisher = await connect(direct), client = await connect(through.url, quick);
  let opened = 0, back = () => {};
  client.onstate = (state) => state === 'open' && back(++opened);
  const events = client.subscribe('ledger/cut/#');
  await events.ready;
  const acked = [];
  let cuts = 0;
  const reading = take(events, 4000);
  for (let i = 0; i < 4000; i += 50) {
    const some = Array.from({ length: 50 }, (_, k) => publisher.publish(`ledger/cut/${(i + k) % 7}`, `${i + k}`, { ack: true }));
    const again = i % 100 === 0 ? new Promise((resolve) => (back = resolve)) : undefined;
    if (again !== undefined) {
      through.cut();
      cuts++;
    }
    (await Promise.all(some)).forEach((at, k) => acked.push(`${(i + k) % 7} ${at.epoch} ${at.offset} ${i + k}`));
    await again;
  }
  const got = await reading;
  const seen = got.map((e) => `${e.topic.split('/')[2]} ${e.epoch} ${e.offset} ${e.body}`);
  assert.deepEqual([...seen].sort(), [...acked].sort(), 'each once');
  for (let t = 0; t < 7; t++) {
    const offsets = got.filter((e) => e.topic === `ledger/cut/${t}`).map((e) => e.offset);
    assert.deepEqual(offsets, offsets.map((_, i) => i + 1), 'in order');
  }
  assert(opened >= cuts);
  client.close();
  publisher.close();
  through.close();
  return `${opened} connections more`;
}, 120);

await check('a reader that is slow waits for nothing but itself: 3,000 events by 16 at a time, no gap', async () => {
  const client = await connect(direct);
  const events = client.subscribe('ledger/slow', { buffer: 16 });
  await events.ready;
  await lines(herz, port, 'ledger/slow', 3000);
  for (let i = 0; i < 10; i++) await client.call('GET', '/users/1'); // what could come has come
  inOrder(await take(events, 3000, (n) => n % 100 === 0 && client.call('GET', '/users/1')), 3000);
  client.close();
});

await check('no history: who reads too slowly is told the gap, to the event', async () => {
  const client = await connect(direct);
  const events = client.subscribe('plain', { buffer: 100 });
  await events.ready;
  await lines(herz, port, 'plain', 5000);
  await client.publish('plain', 'end', { ack: true });
  let n = 0, missed = 0;
  for await (const e of events) {
    if (e.type === 'event') n++;
    else missed += e.missed;
    if (n + missed === 5001) break;
  }
  assert(missed > 0);
  client.close();
  return `${n} came, ${missed} are told missing`;
});

await check('a signal ends it at the server, too; a pattern that is none is refused', async () => {
  const client = await connect(direct);
  const stop = new AbortController();
  const events = client.subscribe('ledger/stop', { signal: stop.signal });
  await events.ready;
  stop.abort();
  await assert.rejects(events.next(), { name: 'AbortError' });
  const error = await client.subscribe('a/#/b').next().then(() => assert.fail('it resolved'), (e) => e);
  assert.equal(error.code, 'refused');
  await assert.rejects(client.publish('a/#', 'x', { ack: true }), { code: 'refused' });
  assert.equal((await client.call('GET', '/users/1')).status, 200);
  client.close();
});

// The list that docs/client-js.md keeps.
function follow(here, { body }) {
  const known = body.all || (here.known && body.version === here.version + 1);
  if (body.all) here.members.clear();
  for (const m of body.join ?? []) here.members.set(m.id, m.as);
  for (const id of body.leave ?? []) here.members.delete(id);
  Object.assign(here, { known, version: body.version, count: body.count });
  return [...here.members.values()].sort().join();
}

await check('who is on a topic: over two transports, one that is cut and comes back in its session, one that leaves', async () => {
  const through = await relay(port);
  const watcher = await connect(direct), anna = await connect(through.url, { ...quick, resume: true }), bert = await connect(direct);
  const events = watcher.subscribe('$presence/room/judge'), here = { members: new Map() };
  await anna.subscribe('room/judge', { as: 'anna' }).ready;
  await bert.subscribe('room/judge', { as: 'bert' }).ready;
  const until = async (names) => {
    while (follow(here, (await take(events, 1))[0]) !== names || !here.known);
    assert.equal(here.count, here.members.size);
  };
  await until('anna,bert');
  const id = [...here.members].find(([, as]) => as === 'anna')[0];
  through.cut();
  bert.close();
  await until('anna');
  assert.deepEqual([...here.members.keys()], [id]);
  await assert.rejects(anna.publish('$presence/room/judge', {}, { ack: true }), { code: 'refused' });
  anna.close();
  await until('');
  watcher.close();
});

process.exit(exitCode());
