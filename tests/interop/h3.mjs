// Chromium judges HTTP/3: node h3.mjs BROWSER PROFILE_DIRECTORY PORT KEY_SHA256. Its pages are driven over the
// DevTools protocol. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';

const [browser, profile, port, key] = process.argv.slice(2);
const origin = `https://localhost:${port}`;
const chromium = await launch(browser, profile, [
  `--origin-to-force-quic-on=localhost:${port}`, `--ignore-certificate-errors-spki-list=${key}`,
  '--enable-features=EnableWebsocketsOverHttp3']);
const page = await chromium.page();
const inPage = (fn, ...args) => page.run(fn, ...args);

await check('a page comes over h3', async () => {
  await page.goto(`${origin}/users/42`);
  assert.equal(await inPage(() => document.body.innerText), '{"id":"42"}');
  assert.equal(await inPage(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h3');
});
for (const size of [0, 1, 16384, 10 << 20]) {
  await check(`${size} bytes are echoed byte-exact`, async () => {
    const same = await inPage(async (n) => {
      const body = new Uint8Array(n).map((_, i) => i * 7 + (i >> 9));
      const answer = await fetch('/echo', { method: 'POST', body });
      const got = new Uint8Array(await answer.arrayBuffer());
      return answer.status === 200 && got.length === n && got.every((v, i) => v === body[i]);
    }, size);
    assert.equal(same, true);
  });
}
await check('100 requests at once', async () => {
  const right = await inPage(async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => fetch(`/users/${i}`).then((r) => r.json())));
    return all.filter((v, i) => v.id === String(i)).length;
  });
  assert.equal(right, 100);
});
await check('20 MB come down whole', async () => {
  assert.equal(await inPage(async () => (await (await fetch('/bytes/20000000')).arrayBuffer()).byteLength), 20000000);
});
await check('a download given up leaves the connection usable', async () => {
  const names = await inPage(async () => {
    const stop = new AbortController();
    const answer = await fetch('/bytes/500000000', { signal: stop.signal });
    const reader = answer.body.getReader();
    await reader.read();
    stop.abort();
    const after = await (await fetch('/users/1')).json();
    return [await reader.read().catch((e) => e.name), after.id];
  });
  assert.deepEqual(names, ['AbortError', '1']);
});
await check('HEAD, 404 and 405', async () => {
  const seen = await inPage(async () => {
    const head = await fetch('/users/1', { method: 'HEAD' });
    const none = await fetch('/nowhere');
    const wrong = await fetch('/users/1', { method: 'DELETE' });
    return [head.status, head.headers.get('content-length'), none.status, wrong.status, wrong.headers.get('allow')];
  });
  assert.deepEqual(seen.slice(0, 4), [200, '10', 404, 405]);
  assert.match(seen[4], /GET/);
});
// On this port nobody listens for TCP: what opens is on a stream of the page's own connection (RFC 9220).
await check('a WebSocket over h3: every message comes back, and the end with its code', async () => {
  const seen = await inPage(async () => {
    const ws = new WebSocket(`wss://${location.host}/echo`);
    ws.binaryType = 'arraybuffer';
    await new Promise((yes, no) => ((ws.onopen = yes), (ws.onerror = () => no(new Error('it did not open')))));
    const answers = [];
    let more = () => {};
    ws.onmessage = (e) => (answers.push(e.data), more());
    const big = new Uint8Array(1 << 20).map((_, i) => i * 7 + (i >> 9));
    for (let i = 0; i < 100; i++) ws.send(`message ${i}`);
    ws.send(big);
    while (answers.length < 101) await new Promise((yes) => (more = yes));
    const last = new Uint8Array(answers.pop());
    const closed = new Promise((yes) => (ws.onclose = (e) => yes([e.code, e.wasClean])));
    ws.close(1000);
    return [answers.every((a, i) => a === `message ${i}`), last.length, last.every((v, i) => v === big[i]), await closed];
  });
  assert.deepEqual(seen, [true, 1 << 20, true, [1000, true]]);
});
await check('nothing of it went over TCP', async () => {
  const hops = await inPage(() => performance.getEntriesByType('resource').map((e) => e.nextHopProtocol));
  assert.deepEqual([...new Set(hops)].filter((h) => h !== ''), ['h3']);
});

page.close();
await chromium.close();
process.exit(exitCode());
