// @herz/client in Chromium or Firefox on topics, over WebTransport and WebSocket: node topics_page.mjs BROWSER PROFILE BUNDLE PORT SHA256
// KEY_SHA256 HERZ NAME. HERZ is the program that publishes over tcp, topics begin with NAME. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { check, exitCode } from './check.mjs';
import { isFirefox, launch, load } from './browser.mjs';
import { serve } from './files.mjs';
import { lines } from './publish.mjs';

const [browser, profile, bundle, port, sha256, key, herz, name] = process.argv.slice(2);
const files = await serve(bundle);
files.pages.set('/page', `<!doctype html><title>page</title><script type="module">
import { connect } from '/herz.min.js';

// Connections that this page can break off.
window.made = 0;
const seen = (Transport) => class extends Transport {
  constructor(...args) {
    if (window.noUdp && Transport === WebTransport) throw new Error('not now');
    super(...args);
    window.last = this;
    window.made++;
  }
};
// Firefox trusts the certificate by its hash alone: for WebTransport.
window.open = (transports, more) => connect((transports?.[0] === 'websocket' ? 'http' : 'https') + '://localhost:${port}', { certHashes: ['${sha256}'], transports,
  reconnect: { minMs: 1, maxMs: 20 }, WebTransport: seen(WebTransport), WebSocket: seen(WebSocket), ...more });
window.hear = async (topic, options) => {
  window.events?.close();
  window.events = window.client.subscribe(topic, options);
  await window.events.ready;
};
// Until n have come; with { last }: or the last of them, for others may not come; with { quiet }: or nothing for so many ms.
window.take = async (n, { cutEvery, last, quiet } = {}) => {
  const out = [];
  let cuts = 0, timer, over;
  const silence = new Promise((resolve) => (over = () => resolve({})));
  while (out.length < n) {
    if (quiet) timer = setTimeout(over, quiet);
    const { value } = await Promise.race([window.events.next(), silence]);
    clearTimeout(timer);
    if (value === undefined) break;
    out.push(value.type === 'gap' ? 'gap ' + value.offset + '+' + value.missed : Number(value.body));
    if (cutEvery && out.length % cutEvery === 0) {
      window.last.close();
      cuts++;
    }
    if (last && out.at(-1) === n - 1) break;
  }
  return { out, cuts };
};
// n calls that publish, and n publishes; cuts times the connection is broken off, and made again, with { moves } over the other
// transport. What they were answered, and what stands in the topics.
window.work = async (topic, n, cuts, { moves, transports }) => {
  const memory = { failed() {}, worked() {}, remembers: () => false };
  const client = await window.open(transports, { resume: true, memory });
  const calls = [], publishes = [], over = [];
  for (let i = 0; i < n; i++) {
    calls.push(client.call('POST', '/topics/' + topic + '/calls', { body: String(i) }));
    publishes.push(client.publish(topic + '/publishes', String(i), { ack: true }));
    if (i % Math.floor(n / cuts) !== 0) continue;
    if (over.length % 2) await calls.at(-1);
    const again = new Promise((resolve) => (client.onstate = (state) => state === 'open' && resolve()));
    window.noUdp = Boolean(moves) && !window.noUdp;
    window.last.close();
    await again;
    over.push(client.transport);
  }
  const said = [...(await Promise.all(calls)).map((a, i) => 'calls ' + i + ' ' + a.body.offset),
    ...(await Promise.all(publishes)).map((at, i) => 'publishes ' + i + ' ' + at.offset)];
  const stood = [];
  await client.publish(topic + '/end', 'end', { ack: true });
  for await (const e of client.subscribe(topic + '/#', { from: 0 })) {
    if (e.type === 'event' && e.body !== 'end') stood.push(e.topic.split('/').at(-1) + ' ' + e.body + ' ' + e.offset);
    if (stood.length >= said.length || e.type !== 'event') break;
  }
  const { body: counters } = await client.call('GET', '/counters');
  client.close();
  window.noUdp = false;
  return { said: said.sort(), stood: stood.sort(), over, refused: counters.sessions_refused };
};
window.loaded = true;
</script>`);

const inFirefox = isFirefox(browser);
const running = await launch(browser, profile, key);
const page = await running.page();
await load(page, `${files.origin}/page`);

const N = 1000;
const whole = Array.from({ length: N }, (_, i) => i);
const ascending = (a) => a.every((v, i) => i === 0 || v > a[i - 1]);

async function round(topic, options, n, until = {}) {
  await page.run((t, o) => window.hear(t, o), topic, options);
  const from = Date.now();
  const sent = lines(herz, port, topic, n);
  const got = await page.run((k, u) => window.take(k, u), n, until);
  await sent;
  return { ...got, ms: Date.now() - from };
}

async function ledger(topic, how) {
  const { said, stood, over, refused } = await page.run((t, h) => window.work(t, 600, 20, h), topic, how);
  assert.deepEqual(stood, said);
  assert.deepEqual([said.length, over.length, refused], [1200, 20, 0]);
  return over;
}

for (const transport of ['webtransport', 'websocket']) {
  await page.run(async (t) => { window.client = await window.open([t]); }, transport);
  assert.equal(await page.run(() => window.client.transport), transport);

  await check(`${transport}: ordered, 1,000 events of herz pub in their order`, async () => {
    const { out, ms } = await round(`${name}/${transport}/ordered`, {}, N);
    assert.deepEqual(out, whole);
    return `${ms} ms`;
  });
  await check(`${transport}: stream, 1,000 events, each once`, async () => {
    const { out, ms } = await round(`${name}/${transport}/stream`, { class: 'stream' }, N);
    assert.deepEqual([...out].sort((a, b) => a - b), whole);
    return `${ms} ms${ascending(out) ? '' : ', some overtook others'}`;
  });
  await check(`${transport}: datagram, 1,000 events, none twice`, async () => {
    const { out, ms } = await round(`${name}/${transport}/datagram`, { class: 'datagram' }, N, { quiet: 1000 });
    const events = out.filter((v) => typeof v === 'number');
    assert.equal(new Set(events).size, events.length);
    assert(events.length > 0);
    if (transport === 'websocket') assert(ascending(events));
    return `${ms} ms, ${events.length} came`;
  });
  await check(`${transport}: latest, what comes is newer each time, to the last`, async () => {
    const { out, ms } = await round(`${name}/${transport}/latest`, { class: 'latest' }, N, { last: true });
    assert(ascending(out));
    assert.equal(out.at(-1), N - 1);
    return `${ms} ms, ${out.length} came`;
  });
  for (const options of [{}, { class: 'stream' }]) {
    await check(`${transport}: ${options.class ?? 'ordered'}, broken off every 300 events of 3,000: each once`, async () => {
      const before = await page.run(() => window.made);
      const { out, cuts, ms } = await round(`${name}/${transport}/cut/${options.class ?? 'ordered'}`, options, 3 * N, { cutEvery: 300 });
      const made = (await page.run(() => window.made)) - before;
      const want = Array.from({ length: 3 * N }, (_, i) => i);
      assert.deepEqual(options.class === 'stream' ? [...out].sort((a, b) => a - b) : out, want);
      assert(made >= 2, `${made} connections`);
      return `${ms} ms, ${cuts} times, ${made} connections more`;
    });
  }
  await check(`${transport}: a page that does not read: 3,000 events by 16 at a time, and calls go on`, async () => {
    const topic = `${name}/${transport}/slow`;
    await page.run((t) => window.hear(t, { buffer: 16 }), topic);
    await lines(herz, port, topic, 3 * N);
    assert.equal(await page.run(async () => (await window.client.call('GET', '/users/1')).status), 200);
    const { out } = await page.run((n) => window.take(n), 3 * N);
    assert.deepEqual(out, Array.from({ length: 3 * N }, (_, i) => i));
  });
  await check(`${transport}: publish, acknowledged and not, heard by itself`, async () => {
    const [first, second, at] = await page.run(async (t) => {
      await window.hear(t);
      window.client.publish(t, { a: 1 });
      const at = await window.client.publish(t, 'b', { ack: true, headers: { k: 'v' } });
      const first = (await window.events.next()).value, second = (await window.events.next()).value;
      return [first.body, [second.body, second.headers.get('k'), second.offset], at.offset];
    }, `${name}/${transport}/pub`);
    assert.deepEqual([first, second, at], [{ a: 1 }, ['b', 'v', 2], 2]);
  });
  await page.run(() => { window.events.close(); window.client.close(); });
  await check(`${transport}: resumed, broken off 20 times amid 600 calls and 600 publishes: each once`, () => ledger(`${name}/${transport}/resume`, { transports: [transport] }));
}

if (!inFirefox) await check('in the middle of it WebTransport goes, and it goes on over WebSocket: each once', async () => {
  await page.run(async () => { window.client = await window.open(); });
  await page.run((t) => window.hear(t, { buffer: 100 }), `${name}/moves`);
  const sent = lines(herz, port, `${name}/moves`, 3 * N);
  const first = await page.run(() => window.take(1000));
  const before = await page.run(() => {
    window.noUdp = true;
    const before = window.client.transport;
    window.last.close();
    return before;
  });
  const second = await page.run(() => window.take(2000));
  await sent;
  assert.deepEqual([...first.out, ...second.out], Array.from({ length: 3 * N }, (_, i) => i));
  assert.deepEqual([before, await page.run(() => window.client.transport)], ['webtransport', 'websocket']);
});

if (!inFirefox) await check('resumed, from one transport to the other and back, 20 times amid 600 calls and 600 publishes: each once', async () => {
  const over = await ledger(`${name}/moves/resume`, { moves: true });
  assert.deepEqual([...new Set(over)].sort(), ['websocket', 'webtransport']);
});

page.close?.();
await running.close();
files.close();
process.exit(exitCode());
