// Chromium judges which draft of WebTransport a server is: node wt_drafts.mjs BROWSER PROFILE NET_LOG PORT SHA256 EXPECTED
// FLAG... opens a session at /herz, says nonsense there and hears the end. EXPECTED: as the browser's log of the network
// names it ("draft-02"); "none": no session. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';
import { serve } from './files.mjs';

const [browser, profile, netLog, port, sha256, expected, ...flags] = process.argv.slice(2);
const files = await serve(mkdtempSync(`${profile}-files-`));
files.pages.set('/page', '<!doctype html><title>page</title>');
const chromium = await launch(browser, profile, [`--log-net-log=${netLog}`, ...flags]);
const page = await chromium.page();
await page.goto(`${files.origin}/page`);

const seen = await page.run(async (url, hash) => {
  const value = Uint8Array.from(atob(hash), (c) => c.charCodeAt(0));
  const wt = new WebTransport(url, { serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
  try {
    await wt.ready;
  } catch (e) {
    return { ready: false };
  }
  const stream = await wt.createBidirectionalStream();
  const writer = stream.writable.getWriter();
  await writer.write(new TextEncoder().encode('no frame'));
  const { closeCode, reason } = await wt.closed;
  return { ready: true, closeCode, reason };
}, `https://localhost:${port}/herz`, sha256);
page.close();
await chromium.close();
files.close();

const log = readFileSync(netLog, 'utf8');
const chosen = log.match(/"webtransport_http3_version":"([^"]*)"/)?.[1] ?? 'none';
await check(`${expected} is chosen`, () => assert.equal(chosen, expected));
if (expected !== 'none') {
  await check('the session ends with code and reason', () => {
    assert.deepEqual([seen.ready, seen.closeCode], [true, 3]);
    assert.match(seen.reason, /magic/);
  });
} else {
  await check('there is no session', () => assert.equal(seen.ready, false));
}
process.exit(exitCode());
