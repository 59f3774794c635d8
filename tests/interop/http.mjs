// node's http client against the daemon, and its http server for Herz's client.
//   http.mjs http|https PORT CERT      judges; exit 1 with a list of what was wrong
//   http.mjs serve FILE                serves until it is killed; the port goes to FILE
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

const [what, port, certFile] = process.argv.slice(2);

function serve(file) {
  const server = http.createServer((rq, rs) => {
    switch (rq.url) {
      case '/length':
        rs.setHeader('content-length', 5);
        return rs.end('hello');
      case '/chunks':
        rs.write('one ');
        return setImmediate(() => rs.end('two '));
      case '/end':
        rs.useChunkedEncodingByDefault = false;
        rs.removeHeader('transfer-encoding');
        rs.shouldKeepAlive = false;
        rs.write('until ');
        return rs.end('the end');
      case '/hints':
        rs.writeContinue();
        rs.writeEarlyHints({ link: '</x>; rel=preload' });
        return rs.end('late');
      case '/empty':
        rs.statusCode = 204;
        return rs.end();
      case '/trailers':
        rs.setHeader('trailer', 'x-sum');
        rs.write('three');
        rs.addTrailers({ 'X-Sum': '3', 'x-late': 'yes' });
        return rs.end();
      case '/accept':
        return rs.end(rq.headers.accept);
      default:
        return rq.pipe(rs);
    }
  });
  server.listen(0, '127.0.0.1', () => fs.writeFileSync(file, String(server.address().port)));
}

const secure = what === 'https';
const ca = secure ? fs.readFileSync(certFile) : undefined;
const lib = secure ? https : http;

function ask(path, options = {}, body) {
  return new Promise((resolve, reject) => {
    const rq = lib.request({ host: 'localhost', port, path, ca, ...options }, (rs) => {
      const parts = [];
      rs.on('data', (d) => parts.push(d));
      rs.on('error', reject);
      rs.on('end', () =>
        resolve({ status: rs.statusCode, headers: rs.headers, body: Buffer.concat(parts), reused: rq.reusedSocket }));
    });
    rq.on('error', reject);
    rq.end(body);
  });
}

// Bytes as they are; resolves with everything that came until the end.
function raw(text) {
  return new Promise((resolve, reject) => {
    const parts = [];
    const s = secure ? tls.connect({ host: 'localhost', port, ca, ALPNProtocols: ['http/1.1'] }) : net.connect(port, 'localhost');
    s.on('data', (d) => parts.push(d));
    s.on('error', reject);
    s.on('end', () => s.end());
    s.on('close', () => resolve(Buffer.concat(parts).toString('latin1')));
    s.write(text);
  });
}

const tests = {
  async 'keep-alive uses one connection'() {
    const agent = new lib.Agent({ keepAlive: true, maxSockets: 1, ca });
    for (let i = 0; i < 50; i++) {
      const r = await ask(`/users/${i}`, { agent });
      assert.equal(r.body.toString(), `{"id":"${i}"}`);
      assert.equal(r.reused, i > 0);
    }
    agent.destroy();
  },
  async 'a hundred at once over ten connections'() {
    const agent = new lib.Agent({ keepAlive: true, maxSockets: 10, ca });
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(`/users/${i}`, { agent })));
    all.forEach((r, i) => assert.equal(r.body.toString(), `{"id":"${i}"}`));
    agent.destroy();
  },
  async 'bodies of every size come back'() {
    const agent = new lib.Agent({ keepAlive: true, maxSockets: 1, ca });
    for (const n of [0, 1, 16383, 16384, 16385, 65536, 1 << 20]) {
      const body = Buffer.alloc(n, 'x');
      const r = await ask('/echo', { agent, method: 'POST', headers: { 'content-length': n } }, body);
      assert.equal(r.status, 200);
      assert.ok(r.body.equals(body), `${n} bytes`);
      const chunked = await ask('/echo', { agent, method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, body);
      assert.ok(chunked.body.equals(body), `${n} bytes in chunks`);
    }
    agent.destroy();
  },
  async 'Expect: 100-continue is answered'() {
    const body = await new Promise((resolve, reject) => {
      const rq = lib.request({ host: 'localhost', port, path: '/echo', ca, method: 'POST', headers: { expect: '100-continue', 'content-length': 2 } });
      rq.on('continue', () => rq.end('hi'));
      rq.on('response', (rs) => rs.on('data', (d) => resolve(d.toString())));
      rq.on('error', reject);
      rq.flushHeaders();
    });
    assert.equal(body, 'hi');
  },
  async 'pipelined requests are answered in order'() {
    let text = 'GET /slow/100 HTTP/1.1\r\nHost: h\r\n\r\n';
    for (let i = 0; i < 40; i++) text += `GET /users/${i} HTTP/1.1\r\nHost: h\r\n\r\n`;
    text += 'GET /users/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n';
    const got = await raw(text);
    const ids = [...got.matchAll(/{"(id|waited_ms)":"?(\w+)"?}/g)].map((m) => m[2]);
    assert.deepEqual(ids, ['100', ...Array.from({ length: 40 }, (_, i) => String(i)), 'last']);
  },
  async 'HEAD, OPTIONS, 304 leave the connection in step'() {
    const got = await raw(
      'HEAD /users/1 HTTP/1.1\r\nHost: h\r\n\r\nOPTIONS /users/1 HTTP/1.1\r\nHost: h\r\n\r\n' +
        'GET /users/2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    assert.deepEqual([...got.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ['200', '204', '200']);
    assert.match(got, /{"id":"2"}$/);
  },
  async 'what is smuggled is not served'() {
    for (const head of ['Content-Length: 4\r\nTransfer-Encoding: chunked', 'Content-Length: 4\r\nContent-Length: 0',
      'Transfer-Encoding: xchunked', 'Transfer-Encoding : chunked', 'Transfer-Encoding:\r\n chunked']) {
      const got = await raw(`POST /echo HTTP/1.1\r\nHost: h\r\n${head}\r\n\r\n0\r\n\r\nGET /users/smuggled HTTP/1.1\r\nHost: h\r\n\r\n`);
      assert.match(got, /^HTTP\/1\.1 (400|501) /, head);
      assert.ok(!got.includes('smuggled'), head);
    }
  },
};

if (what === 'serve') {
  serve(port);
} else {
  const wrong = [];
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
    } catch (e) {
      wrong.push(`${name}: ${e.message}`);
    }
  }
  if (wrong.length) console.log(wrong.join('\n'));
  process.exit(wrong.length ? 1 : 0);
}
