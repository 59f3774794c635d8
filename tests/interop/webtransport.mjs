// Browsers judge WebTransport, by @herz/client and by their own API: node webtransport.mjs BROWSER PROFILE BUNDLE PORT
// SHA256 KEY_SHA256 session|silent|closed [FIFO].
//   session   everything over WebTransport. Writes "closed" to FIFO when it has closed its connection with code 142 and
//             reason "page done", "drain" when it expects the daemon to end, and "over"
//   silent    UDP goes nowhere: this program holds PORT's UDP and says nothing
//   closed    nobody has PORT's UDP
// Prints a line a check; exit code 1 when one failed.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { check, exitCode } from './check.mjs';
import { isFirefox, launch, load } from './browser.mjs';
import { serve } from './files.mjs';

const [browser, profile, bundle, port, sha256, key, part, fifo] = process.argv.slice(2);
const base = `https://localhost:${port}`;
const MIB = 1 << 20;

const files = await serve(bundle);
files.pages.set('/page', `<!doctype html><title>page</title><script type="module">
import { connect } from '/herz.min.js';

// Content that is wrong when a byte of it is lost, doubled or swapped, made and compared piece by piece.
const PIECE = 65536;
function pieceAt(at) {
  const piece = new Uint8Array(PIECE);
  const words = new Uint32Array(piece.buffer);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(at / 4 + i, 0x9e3779b1);
  return piece;
}
window.contentOf = (length) => {
  let at = 0;
  return new ReadableStream({
    pull(c) {
      c.enqueue(pieceAt(at));
      at += PIECE;
      if (at >= length) c.close();
    },
  }, { highWaterMark: 1 });
};
window.same = async (body) => {
  let at = 0, piece;
  for await (const got of body) {
    for (let i = 0; i < got.length; i++, at++) {
      if (at % PIECE === 0) piece = pieceAt(at);
      if (got[i] !== piece[at % PIECE]) return 'byte ' + at + ' is another';
    }
  }
  return at;
};
window.hash = Uint8Array.from(atob('${sha256}'), (c) => c.charCodeAt(0));
window.raw = async (path) => {
  const wt = new WebTransport('${base}' + path, { serverCertificateHashes: [{ algorithm: 'sha-256', value: window.hash }] });
  await wt.ready;
  return wt;
};
window.start = async (options) => {
  const from = performance.now();
  window.states = [];
  window.client = await connect('${base}', { certHashes: ['${sha256}'],
    onstate: (state, error) => window.states.push([state, error?.code, error?.closeCode, error?.reason]), ...options });
  const first = await window.client.call('GET', '/users/42');
  return { transport: window.client.transport, id: first.body.id, ms: Math.round(performance.now() - from) };
};
window.loaded = true;
</script>`);

const running = await launch(browser, profile, key);
const page = await running.page();
const loadPage = () => load(page, `${files.origin}/page`);

async function client() {
  await loadPage();
  await check('the session is ready, with serverCertificateHashes', async () => {
    const first = await page.run(() => window.start({ transports: ['webtransport'] }));
    assert.deepEqual([first.transport, first.id], ['webtransport', '42']);
    return `first answer after ${first.ms} ms`;
  });
  await check('of both transports it is WebTransport that wins', async () => {
    const { transport } = await page.run(async () => {
      const before = window.client;
      const first = await window.start();
      window.client.close();
      window.client = before;
      return first;
    });
    assert.equal(transport, 'webtransport');
  });
  await check('1,000 calls', async () => {
    const [right, ms] = await page.run(async () => {
      const from = performance.now();
      const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => window.client.call('GET', `/users/${i}`)));
      return [all.filter((a, i) => a.status === 200 && a.body.id === String(i)).length, Math.round(performance.now() - from)];
    });
    assert.equal(right, 1000);
    return `${ms} ms`;
  });
  await check('100 MiB each way, exact', async () => {
    const [same, ms] = await page.run(async (length) => {
      const from = performance.now();
      const answer = await window.client.stream('POST', '/echo', { body: window.contentOf(length), timeout: 0 });
      return [await window.same(answer.body), Math.round(performance.now() - from)];
    }, 100 * MIB);
    assert.equal(same, 100 * MIB);
    return `${ms} ms`;
  }, 120);
  await check('who does not read stops the server, and nobody else', async () => {
    const seen = await page.run(async () => {
      const idle = await window.client.stream('GET', '/bytes/1000000000');
      const all = await Promise.all(Array.from({ length: 100 }, () => window.client.call('GET', '/users/1')));
      const reader = idle.body.getReader();
      const first = await reader.read();
      await reader.cancel();
      return [all.every((a) => a.status === 200), first.value.length > 0];
    });
    assert.deepEqual(seen, [true, true]);
  });
  await check('abort, timeout; an answer before the end of the request', async () => {
    const seen = await page.run(async () => {
      const stop = new AbortController();
      const slow = window.client.call('GET', '/slow/60000', { signal: stop.signal }).catch((e) => e.name);
      const late = await window.client.call('GET', '/slow/60000', { timeout: 50 }).catch((e) => e.name);
      stop.abort();
      const early = await window.client.call('POST', '/nowhere', { body: window.contentOf(1 << 30) }).catch((e) => ({ status: e.code }));
      const after = await window.client.call('GET', '/users/7');
      return [await slow, late, early.status, after.body.id];
    });
    // Firefox drops an answer that comes with STOP_SENDING: it comes before that.
    assert.deepEqual(seen, ['AbortError', 'TimeoutError', 404, '7']);
  });
}

async function plain() {
  await check('plain mode: 1,000 datagrams to /echo come back', async () => {
    const [right, again, ms] = await page.run(async () => {
      const from = performance.now();
      const wt = await window.raw('/echo');
      const writer = wt.datagrams.writable.getWriter(), reader = wt.datagrams.readable.getReader();
      const missing = new Map(Array.from({ length: 1000 }, (_, i) => [i, `datagram ${i}`]));
      let again = 0, wrong = 0, wake = () => {};
      (async () => {
        for (;;) {
          const { value, done } = await reader.read();
          if (done) return;
          const text = new TextDecoder().decode(value), i = Number(text.split(' ')[1]);
          if (text !== `datagram ${i}`) wrong++;
          missing.delete(i);
          wake();
        }
      })().catch(() => {});
      // Datagrams may be lost: what is missing is sent again, some at a time.
      for (let round = 0; missing.size > 0 && round < 1000; round++) {
        const some = [...missing].slice(0, 32);
        for (const [, text] of some) await writer.write(new TextEncoder().encode(text));
        const late = setTimeout(() => ((again += some.filter(([i]) => missing.has(i)).length), wake('late')), 1000);
        for (let over = false; !over && some.some(([i]) => missing.has(i));) {
          over = (await new Promise((resolve) => (wake = resolve))) === 'late';
        }
        clearTimeout(late);
      }
      wt.close();
      return [wrong === 0 && missing.size === 0, again, Math.round(performance.now() - from)];
    });
    assert.equal(right, true);
    return `${ms} ms, ${again} sent again`;
  });
  await check('plain mode: a stream to /echo comes back, 10 MiB', async () => {
    const same = await page.run(async (length) => {
      const wt = await window.raw('/echo');
      const stream = await wt.createBidirectionalStream();
      const sent = window.contentOf(length).pipeTo(stream.writable);
      const got = await window.same(stream.readable);
      await sent;
      wt.close();
      return got;
    }, 10 * MIB);
    assert.equal(same, 10 * MIB);
  });
}

async function closes() {
  await check('the page closes with code and reason', async () => {
    assert.deepEqual(await page.run(() => {
      window.client.close(142, 'page done');
      return window.states.at(-1);
    }), ['closed', 'closed', 142, 'page done']);
    writeFileSync(fifo, 'closed\n');
  });
  await check('the server closes with code and reason', async () => {
    await page.run(async () => {
      await window.start({ transports: ['webtransport'], reconnect: false });
      window.other = await window.raw('/herz');
    });
    writeFileSync(fifo, 'drain\n');
    const [state, other] = await page.run(async () => {
      const other = await window.other.closed;
      while (window.client.state !== 'closed') await new Promise((resolve) => setTimeout(resolve, 1));
      return [window.states.at(-1), [other.closeCode, other.reason]];
    });
    assert.deepEqual(state.slice(0, 3), ['closed', 'disconnected', 1]);
    assert.notEqual(state[3], '');
    assert.equal(other[0], 1);
    return `${state[2]} "${state[3]}"; to a session without a call ${other[0]} "${other[1]}"`;
  });
}

async function blocked() {
  await check(`UDP is ${part}: the same page works over WebSocket within 1 s`, async () => {
    const times = [];
    // The best of three, each a page of its own: a busy machine says nothing about the client.
    for (let i = 0; i < 3; i++) {
      await loadPage();
      const first = await page.run(() => window.start());
      assert.deepEqual([first.transport, first.id], ['websocket', '42']);
      times.push(first.ms);
      await page.run(() => window.client.close());
    }
    assert(Math.min(...times) < 1000, `${times} ms`);
    return `${times.join(', ')} ms to the first answer`;
  });
  await check('it connects again without a head start for what failed', async () => {
    await loadPage();
    const [first, second] = await page.run(async () => {
      const first = await window.start();
      window.client.close();
      const second = await window.start();
      window.client.close();
      return [first, second];
    });
    assert.deepEqual([first.transport, second.transport], ['websocket', 'websocket']);
    return `${first.ms} ms, then ${second.ms} ms`;
  });
}

if (part === 'session') {
  await client();
  await plain();
  await closes();
  writeFileSync(fifo, 'over\n');
} else {
  let hole;
  if (part === 'silent') {
    hole = createSocket('udp4');
    await new Promise((resolve) => hole.bind(Number(port), '127.0.0.1', resolve));
  }
  await blocked();
  hole?.close();
}
page.close?.();
await running.close();
files.close();
process.exit(exitCode());
