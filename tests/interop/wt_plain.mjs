// Chromium judges plain mode of WebTransport: node wt_plain.mjs BROWSER PROFILE_DIRECTORY PORT KEY_SHA256 CERTIFICATE_SHA256
// HERZD_PID. The last check ends herzd. Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';

const [browser, profile, port, key, hash, pid] = process.argv.slice(2);
const chromium = await launch(browser, profile, [
  `--origin-to-force-quic-on=localhost:${port}`, `--ignore-certificate-errors-spki-list=${key}`]);
const page = await chromium.page();
await page.goto(`https://localhost:${port}/users/42`);

// What the checks have in the page: sessions by their path, a call, a datagram and its answer.
await page.run((hash64) => {
  const value = Uint8Array.from(atob(hash64), (c) => c.charCodeAt(0));
  window.session = async (path) => {
    const wt = new WebTransport(`https://${location.host}${path}`, { serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
    await wt.ready;
    return wt;
  };
  window.call = async (wt, body) => {
    const { readable, writable } = await wt.createBidirectionalStream();
    const out = writable.getWriter();
    out.write(typeof body === 'string' ? new TextEncoder().encode(body) : body);
    out.close().catch(() => {});
    return new Uint8Array(await new Response(readable).arrayBuffer());
  };
  window.text = async (wt, body) => new TextDecoder().decode(await call(wt, body));
}, hash);

await check('a stream is a call', async () => {
  assert.equal(await page.run(async () => text((window.echo = await session('/echo')), 'hello')), 'hello');
});
await check('1,000 streams, 50 at once, are answered exactly', async () => {
  const right = await page.run(async () => {
    let n = 0;
    for (let i = 0; i < 1000; i += 50) {
      const all = await Promise.all(Array.from({ length: 50 }, (_, k) => text(echo, `call ${i + k}`)));
      n += all.filter((v, k) => v === `call ${i + k}`).length;
    }
    return n;
  });
  assert.equal(right, 1000);
});
await check('10 MiB go there and back byte-exact', async () => {
  const same = await page.run(async () => {
    const body = new Uint8Array(10 << 20).map((_, i) => i * 7 + (i >> 9));
    const got = await call(echo, body);
    return got.length === body.length && got.every((v, i) => v === body[i]);
  });
  assert.equal(same, true);
});
await check('1,000 datagrams, one after the other, are answered', async () => {
  const seen = await page.run(async () => {
    const out = (echo.datagrams.createWritable?.() ?? echo.datagrams.writable).getWriter(), back = echo.datagrams.readable.getReader();
    let n = 0;
    for (let i = 0; i < 1000; i++) {
      await out.write(new TextEncoder().encode(`datagram ${i}`));
      const { value } = await back.read();
      n += new TextDecoder().decode(value) === `datagram ${i}`;
    }
    return n;
  });
  assert.equal(seen, 1000);
});
await check('errors are told in words', async () => {
  const said = await page.run(async () => {
    const nowhere = await session('/nowhere'), wrong = await session('/users/42');
    return [await text(nowhere, 'x'), await text(wrong, 'x'), await text(echo, 'and the others go on')];
  });
  assert.match(said[0], /404/);
  assert.match(said[1], /405/);
  assert.equal(said[2], 'and the others go on');
});
await check('a one-way stream is stopped with code 4', async () => {
  const code = await page.run(async () => {
    const out = (await echo.createUnidirectionalStream()).getWriter();
    return out.closed.catch((e) => [e.name, e.streamErrorCode]);
  });
  assert.deepEqual(code, ['WebTransportError', 4]);
});
await check('a call given up leaves its session usable', async () => {
  const after = await page.run(async () => {
    const { readable, writable } = await echo.createBidirectionalStream();
    await writable.getWriter().abort();
    await readable.cancel().catch(() => {});
    return text(echo, 'on');
  });
  assert.equal(after, 'on');
});
await check('a page closes its session with code and reason', async () => {
  const closed = await page.run(async () => {
    const wt = await session('/echo');
    wt.close({ closeCode: 7, reason: 'bye' });
    return wt.closed;
  });
  assert.deepEqual([closed.closeCode, closed.reason], [7, 'bye']);
});
await check('pages hear that the service goes down', async () => {
  const closed = page.run(async () => {
    const wt = await session('/echo');
    await text(wt, 'here');
    window.standing = true;
    const { closeCode } = await wt.closed;
    return closeCode;
  });
  while (!(await page.run(() => window.standing === true)));
  process.kill(Number(pid), 'SIGTERM');
  assert.equal(await closed, 1);
});

page.close();
await chromium.close();
process.exit(exitCode());
