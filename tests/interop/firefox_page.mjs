// Firefox judges HTTP/3, WebSocket and WebTransport: node firefox_page.mjs BROWSER PROFILE_DIRECTORY QUIC_PORT TCP_PORT SHA256.
// The profile trusts the daemon's authority; a session trusts the certificate by its hash. Prints a line a check; exit
// code 1 when one failed. The last session is closed with code 142 and reason "page done".
import assert from 'node:assert/strict';
import { check, exitCode } from './check.mjs';
import { launch } from './firefox.mjs';
import { message, parse, split } from './frames.mjs';

const [browser, profile, quicPort, tcpPort, sha256] = process.argv.slice(2);
const origin = `https://localhost:${tcpPort}`;
// As if an answer's Alt-Svc had said so.
const firefox = await launch(browser, profile, { 'network.http.http3.alt-svc-mapping-for-testing': `localhost;h3=:${quicPort}` });
console.log(`Firefox ${firefox.version}`);
const page = await firefox.page();

await check('a page comes over h3', async () => {
  await page.goto(`${origin}/`);
  assert.match(await page.run(() => document.body.innerText), /Try a route/); // the console
  assert.equal(await page.run(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h3');
});
for (const size of [0, 1, 16384, 10 << 20]) {
  await check(`${size} bytes are echoed byte-exact`, async () => {
    assert.equal(await page.run(async (n) => {
      const body = new Uint8Array(n).map((_, i) => i * 7 + (i >> 9));
      const answer = await fetch('/echo', { method: 'POST', body });
      const got = new Uint8Array(await answer.arrayBuffer());
      return answer.status === 200 && got.length === n && got.every((v, i) => v === body[i]);
    }, size), true);
  });
}
await check('100 requests at once', async () => {
  assert.equal(await page.run(async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => fetch(`/users/${i}`).then((r) => r.json())));
    return all.filter((v, i) => v.id === String(i)).length;
  }), 100);
});
await check('20 MB come down whole', async () => {
  assert.equal(await page.run(async () => (await (await fetch('/bytes/20000000')).arrayBuffer()).byteLength), 20000000);
});
await check('a download given up leaves the connection usable', async () => {
  assert.deepEqual(await page.run(async () => {
    const stop = new AbortController();
    const answer = await fetch('/bytes/500000000', { signal: stop.signal });
    const reader = answer.body.getReader();
    await reader.read();
    stop.abort();
    return [await reader.read().catch((e) => e.name), (await (await fetch('/users/1')).json()).id];
  }), ['AbortError', '1']);
});
await check('HEAD, 404 and 405', async () => {
  assert.deepEqual(await page.run(async () => {
    const head = await fetch('/users/1', { method: 'HEAD' });
    const none = await fetch('/nowhere');
    const wrong = await fetch('/users/1', { method: 'DELETE' });
    return [head.status, head.headers.get('content-length'), none.status, wrong.status];
  }), [200, '10', 404, 405]);
});
await check('nothing of it went over TCP', async () => {
  const hops = await page.run(() => performance.getEntriesByType('resource').map((e) => e.nextHopProtocol));
  assert.deepEqual([...new Set(hops)].filter((h) => h !== ''), ['h3']);
});
for (const scheme of ['wss', 'ws']) {
  await check(`${scheme}: messages of any size come back`, async () => {
    // From a page of the same host and scheme: neither side lets any other speak.
    if (scheme === 'ws') await page.goto(`http://localhost:${tcpPort}/`);
    const sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20];
    assert.deepEqual(await page.run(async (url, all) => {
      const ws = new WebSocket(url);
      ws.binaryType = 'arraybuffer';
      await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = () => reject(new Error('no socket')); });
      const next = () => new Promise((resolve) => (ws.onmessage = (m) => resolve(m.data)));
      const right = [];
      for (const n of all) {
        const sent = new Uint8Array(n).map((_, i) => i * 31);
        ws.send(sent);
        const got = new Uint8Array(await next());
        if (got.length === n && got.every((v, i) => v === sent[i])) right.push(n);
      }
      ws.send('text, grüße');
      right.push(await next());
      const closed = new Promise((resolve) => (ws.onclose = (e) => resolve([e.code, e.wasClean])));
      ws.close(1000, 'done');
      return [...right, ...await closed];
    }, `${scheme}://localhost:${tcpPort}/echo`, sizes), [...sizes, 'text, grüße', 1000, true]);
  });
}

// Calls of herz/1, a stream each; what comes is returned for Node to read.
async function session(calls, end) {
  await page.goto(`https://localhost:${tcpPort}/`);
  return page.run(async (url, hash, all, how) => {
    const value = Uint8Array.from(atob(hash), (c) => c.charCodeAt(0));
    const wt = new WebTransport(url, { serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
    await wt.ready;
    const answers = await Promise.all(all.map(async (frame) => {
      const { readable, writable } = await wt.createBidirectionalStream();
      const writer = writable.getWriter();
      writer.write(Uint8Array.from(frame));
      writer.close();
      return [...new Uint8Array(await new Response(readable).arrayBuffer())];
    }));
    wt.close(how);
    const { closeCode, reason } = await wt.closed;
    return { answers, closeCode, reason };
  }, `https://localhost:${quicPort}/herz`, sha256, calls.map((c) => [...c]), end);
}
const bodyOf = (bytes) => {
  const [first, ...data] = split(Uint8Array.from(bytes)).found.map((f) => parse(f));
  assert.deepEqual([first[0], first[2]], [3, 200]);
  return first.length > 4 ? first[4] : Buffer.concat(data.filter((d) => d[0] === 4).map((d) => d[2]));
};
await check('WebTransport: a session that trusts a hash, 100 calls, closed with code and reason', async () => {
  const calls = Array.from({ length: 100 }, (_, i) => message(2, 1, 'GET', `/users/${i}`, null, null));
  const { answers, closeCode, reason } = await session(calls, { closeCode: 141, reason: 'done, grüße' });
  assert.deepEqual(answers.map((a) => bodyOf(a).id), calls.map((_, i) => String(i)));
  assert.deepEqual([closeCode, reason], [141, 'done, grüße']);
});
await check('WebTransport: plain mode, a stream of 1 MiB and 100 datagrams', async () => {
  assert.deepEqual(await page.run(async (url, hash) => {
    const value = Uint8Array.from(atob(hash), (c) => c.charCodeAt(0));
    const wt = new WebTransport(url, { serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
    await wt.ready;
    const { readable, writable } = await wt.createBidirectionalStream();
    const body = new Uint8Array(1 << 20).map((_, i) => i * 7 + (i >> 9));
    const writer = writable.getWriter();
    writer.write(body).then(() => writer.close());
    const got = new Uint8Array(await new Response(readable).arrayBuffer());
    const out = wt.datagrams.writable.getWriter(), back = wt.datagrams.readable.getReader();
    const numbers = new Set();
    for (let i = 0; i < 100; i++) {
      await out.write(Uint8Array.of(i, 1, 2));
      const { value: v } = await back.read();
      if (v.length === 3) numbers.add(v[0]);
    }
    wt.close();
    return [got.length, got.every((v, i) => v === body[i]), numbers.size];
  }, `https://localhost:${quicPort}/echo`, sha256), [1 << 20, true, 100]);
});
await check('WebTransport: 900,000 bytes there and back', async () => {
  const body = new Uint8Array(900000).map((_, i) => i * 7 + (i >> 9));
  const { answers } = await session([message(2, 1, 'POST', '/echo', null, body)], { closeCode: 142, reason: 'page done' });
  assert.deepEqual(Buffer.from(bodyOf(answers[0])), Buffer.from(body));
});
await check('WebTransport: another hash is not trusted', async () => {
  const right = sha256;
  await assert.rejects(page.run(async (url, hash) => {
    const value = Uint8Array.from(atob(hash), (c) => c.charCodeAt(0) ^ 1);
    const wt = new WebTransport(url, { serverCertificateHashes: [{ algorithm: 'sha-256', value }] });
    wt.closed.catch(() => {});
    await wt.ready;
  }, `https://localhost:${quicPort}/herz`, right));
});

await firefox.close();
process.exit(exitCode());
