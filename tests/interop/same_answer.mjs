// One answer whoever asks and by whatever way: node same_answer.mjs HERZ QUIC_PORT TCP_PORT UNIX_SOCKET CERTIFICATE
// BROWSER PROFILE_DIRECTORY KEY_SHA256. Prints a line a way; exit code 1 when one differs from the first.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';

const [herz, quicPort, tcpPort, socket, certificate, browser, profile, key] = process.argv.slice(2);
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;

// Every scheme of `herz req`; those over HTTP make HTTP's fields, the others carry what the handler said.
const http = ['http', 'https', 'h3'];
const native = ['quic', 'wt', 'tcp', 'tls', 'unix', 'ws', 'wss'];

// A value, a text, bytes with a type of their own, an error.
const json = { accept: 'application/json' };
const requests = [
  { method: 'GET', path: '/users/42', headers: json, value: true },
  { method: 'GET', path: '/', headers: { accept: 'text/plain' }, text: true },
  { method: 'POST', path: '/echo', headers: { ...json, 'content-type': 'text/x-judged' }, body: 'one\r\ntwo\n' },
  { method: 'GET', path: '/nowhere', headers: json, value: true },
];

// What may differ. Everywhere: the clock, and fields of one connection alone.
const ofTheMoment = ['date', 'connection', 'keep-alive'];
// Where there is no HTTP: fields that HTTP makes of an answer (a length, that there is a choice of forms), and the type
// of values and texts. Elsewhere these have no type: they travel as a value, as a text.
const ofHttp = ['content-length', 'vary'];
const ofHttpKinds = ['content-type'];
const without = (names, kinds, r) => [...names, ...(r.value || r.text ? kinds : [])];

const run = async (program, ...args) => (await promisify(execFile)(program, args, { timeout: 60000 })).stdout;

// "HTTP/1.1 200 OK" or "200 OK", fields, an empty line, the body
function parse(text) {
  const at = text.search(/\r?\n\r?\n/);
  const [first, ...fields] = text.slice(0, at).split(/\r?\n/);
  const headers = fields.map((f) => [f.slice(0, f.indexOf(':')).toLowerCase(), f.slice(f.indexOf(':') + 1).trim()]);
  return { status: Number(first.match(/(?:^|\s)(\d{3})(?:\s|$)/)[1]), headers, body: text.slice(at).replace(/^\r?\n\r?\n/, '') };
}

function comparable(answer, without) {
  const headers = answer.headers.filter(([name]) => !without.includes(name)).map(([name, value]) => `${name}: ${value}`);
  return { status: answer.status, headers: headers.sort(), body: answer.body };
}

const each = (fn) => Promise.all(requests.map(fn));
const flagsOf = (r) => [
  '-X', r.method,
  ...Object.entries(r.headers).flatMap(([n, v]) => ['-H', `${n}: ${v}`]),
];
const curl = (scheme) => each(async (r) => parse(await run(
  'curl', '-sSi', '--http1.1', '--cacert', certificate, ...flagsOf(r), ...(r.body ? ['--data-binary', r.body] : []),
  `${scheme}://localhost:${tcpPort}${r.path}`)));

const urlOf = (scheme, path) => ({
  unix: `unix://${socket}:${path}`,
  quic: `quic://localhost:${quicPort}${path}`,
  h3: `h3://localhost:${quicPort}${path}`,
  wt: `wt://localhost:${quicPort}${path}`,
})[scheme] ?? `${scheme}://localhost:${tcpPort}${path}`;
const byHerz = (scheme) => each(async (r) => {
  const said = await run(herz, 'req', '-i', '--cacert', certificate, ...flagsOf(r),
    ...(r.body ? ['-d', r.body] : []), urlOf(scheme, r.path));
  const answer = parse(said);
  // A value is shown with a line's end behind it, which is not its own.
  if (r.value && native.includes(scheme)) answer.body = answer.body.replace(/\n$/, '');
  return answer;
});

const byAioquic = async () => JSON.parse(
  await run('/usr/bin/python3', '-B', `${here}/aioquic_client.py`, quicPort, certificate, JSON.stringify(requests)));

const expected = await curl('http');
async function same(name, ask, names, kinds = []) {
  await check(name, async () => {
    const kept = (a, i) => comparable(a, without(names, kinds, requests[i]));
    assert.deepEqual((await ask()).map(kept), expected.map(kept));
  });
}

await check('curl, http: what is expected', async () => {
  assert.deepEqual(expected.map((a) => a.status), [200, 200, 200, 404]);
  assert.deepEqual(expected.map((a) => new Map(a.headers).get('content-type')),
    ['application/json', 'text/plain; charset=utf-8', 'text/x-judged', 'application/problem+json']);
  assert.equal(expected[0].body, '{"id":"42"}');
  assert.equal(expected[2].body, requests[2].body);
});
await same('curl, https', () => curl('https'), ofTheMoment);
for (const scheme of http) await same(`herz, ${scheme}`, () => byHerz(scheme), ofTheMoment);
for (const scheme of native) {
  await same(`herz, ${scheme}`, () => byHerz(scheme), [...ofTheMoment, ...ofHttp], ofHttpKinds);
}
await same('aioquic, h3', byAioquic, ofTheMoment);

const chromium = await launch(browser, profile, [
  `--origin-to-force-quic-on=localhost:${quicPort}`, `--ignore-certificate-errors-spki-list=${key}`]);
const page = await chromium.page();
async function byChromium(origin, protocol) {
  await page.goto(`${origin}/users/42`);
  const answers = await page.run(async (all) => {
    const got = [];
    for (const r of all) {
      const answer = await fetch(r.path, { method: r.method, headers: r.headers, body: r.body });
      got.push({ status: answer.status, headers: [...answer.headers], body: await answer.text() });
    }
    return got;
  }, requests);
  const hops = await page.run(() => performance.getEntriesByType('resource').map((e) => e.nextHopProtocol));
  assert.deepEqual([...new Set(hops)], [protocol]);
  return answers;
}
await same('Chromium, http', () => byChromium(`http://localhost:${tcpPort}`, 'http/1.1'), ofTheMoment);
await same('Chromium, https', () => byChromium(`https://localhost:${tcpPort}`, 'http/1.1'), ofTheMoment);
await same('Chromium, h3', () => byChromium(`https://localhost:${quicPort}`, 'h3'), ofTheMoment);

page.close();
await chromium.close();
process.exit(exitCode());
