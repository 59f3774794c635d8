// @herz/client in Chromium, as it was installed in a project: node client_page.mjs BROWSER PROFILE PROJECT PORT KEY_SHA256
// EXPECTED. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';
import { serve } from './files.mjs';

const [browser, profile, project, port, key, expected] = process.argv.slice(2);
const files = await serve(project);
const chromium = await launch(browser, profile, [`--ignore-certificate-errors-spki-list=${key}`]);
const page = await chromium.page();

const map = { imports: { '@herz/client': '/node_modules/@herz/client/src/index.js' } };
files.pages.set('/example', `<!doctype html><script type="importmap">${JSON.stringify(map)}</script>
<script type="module">${readFileSync(join(project, 'example.mjs'), 'utf8')}</script>`);
files.pages.set('/bundle', `<!doctype html><script type="module">
import * as herz from '/node_modules/@herz/client/dist/herz.min.js';
window.herz = herz;
</script>`);

async function until(condition, what) {
  for (let i = 0; i < 2000; i++) {
    if (await condition()) return;
  }
  throw new Error(`never: ${what()}`);
}

await check('the example of the README, from the sources with an import map', async () => {
  await page.goto(`${files.origin}/example`);
  await until(async () => (await page.run(() => 0), page.said.length > 0), () => 'a line in the console');
  assert.deepEqual(page.said, [expected]);
});

await check('the bundle has the same names', async () => {
  await page.goto(`${files.origin}/bundle`);
  assert.deepEqual(await page.run(() => Object.keys(window.herz).sort()), ['Ext', 'HerzError', 'connect']);
});

for (const base of [`http://localhost:${port}`, `https://localhost:${port}`]) {
  const kind = base.split(':')[0];
  await check(`${kind}: 1,000 calls at once`, async () => {
    const right = await page.run(async (url) => {
      window.client = await window.herz.connect(url, { transports: ['websocket'] });
      const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => window.client.call('GET', `/users/${i}`)));
      return all.filter((a, i) => a.body.id === String(i)).length;
    }, base);
    assert.equal(right, 1000);
  });
  await check(`${kind}: 10 MiB both ways, from a Blob, in pieces`, async () => {
    const same = await page.run(async () => {
      const body = new Uint8Array(10 << 20).map((_, i) => i * 7 + (i >> 9));
      const answer = await window.client.stream('POST', '/echo', { body: new Blob([body]) });
      const got = await answer.bytes();
      return got.length === body.length && got.every((v, i) => v === body[i]);
    });
    assert.equal(same, true);
  });
  await check(`${kind}: abort, timeout, close`, async () => {
    const seen = await page.run(async () => {
      const stop = new AbortController();
      const slow = window.client.call('GET', '/slow/60000', { signal: stop.signal }).catch((e) => e.name);
      const late = await window.client.call('GET', '/slow/60000', { timeout: 50 }).catch((e) => e.name);
      stop.abort();
      const last = window.client.call('GET', '/slow/60000').catch((e) => e.code);
      window.client.close(100, 'bye');
      return [await slow, late, await last, window.client.state];
    });
    assert.deepEqual(seen, ['AbortError', 'TimeoutError', 'closed', 'closed']);
  });
}

page.close();
await chromium.close();
files.close();
process.exit(exitCode());
