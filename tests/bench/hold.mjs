// Many connections held for minutes on one worker, few calls going round among them: what is lost, what it costs. QUIC
// needs a descriptor of the generator a connection, so two generators hold them.
//
//   node tests/bench/hold.mjs [--build DIR] [--minutes M] [--quic N] [--ws N]
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, servicesOf, startService, stopService } from './peers.mjs';

const usage = 'usage: hold.mjs [--build DIR] [--minutes M] [--quic N] [--ws N]';
const flags = {
  options: {
    help: { type: 'boolean', default: false },
    build: { type: 'string', default: 'build' },
    minutes: { type: 'string', default: '10' },
    quic: { type: 'string', default: '20000' },
    ws: { type: 'string', default: '18000' },
  },
};
function read() {
  try {
    return parseArgs(flags).values;
  } catch (e) {
    console.error(`hold.mjs: ${e.message}\n${usage}`);
    process.exit(2);
  }
}
const options = read();
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const seconds = Number(options.minutes) * 60, quic = Number(options.quic), ws = Number(options.ws);
if (!(seconds > 0) || !(quic >= 0) || !(ws >= 0)) {
  console.error('hold.mjs: give --minutes over 0, --quic and --ws of 0 or more');
  process.exit(2);
}
const build = resolve(options.build);
const work = mkdtempSync(join(tmpdir(), 'herz-hold-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
process.env.XDG_STATE_HOME = work;

const halves = [Math.ceil(quic / 2), Math.floor(quic / 2)];
const loads = [
  ...halves.map((n) => ({ scheme: 'quic', conns: n })),
  { scheme: 'ws', conns: ws },
].filter((l) => l.conns > 0);

// So many calls a second that each connection is asked every three minutes, in a short run once.
const rate = (conns) => Math.max(1, Math.ceil(conns / Math.min(180, seconds * 0.8)));

function procOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8'), stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { rss_mb: Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024, cpu_s: (Number(f[11]) + Number(f[12])) / 100, at: Date.now() };
}

// Runs until it is interrupted.
function generate({ scheme, conns }, port) {
  const child = spawn(join(build, 'herz'), ['bench', 'req', '-c', String(conns), '--rps', String(rate(conns)), '-D', '86400',
    '--warmup', '1', '--timeout', '30', '--json', `${scheme}://127.0.0.1:${port}/users/1`], { stdio: ['ignore', 'pipe', 'pipe'] });
  const g = { scheme, conns, text: '', said: '', stop: () => child.kill('SIGINT') };
  process.on('exit', () => child.kill('SIGKILL'));
  child.stdout.on('data', (chunk) => { g.text += chunk; });
  child.stderr.on('data', (chunk) => { g.said += chunk; });
  g.end = new Promise((done) => child.on('exit', (code) => {
    g.ended = true;
    g.code = code;
    done();
  }));
  return g;
}

const counters = (port) => JSON.parse(
  spawnSync(join(build, 'herz'), ['req', '--timeout', '30', `tcp://127.0.0.1:${port}/counters`], { encoding: 'utf8' }).stdout || '{}');

const standing = (port) => {
  const c = counters(port);
  return c.conns_opened - c.conns_closed - 1; // the one that asks is no matter of ours
};

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const port = await freePort();
const service = await startService(servicesOf(build, work).herz, 'herzd', port, '0,1', work);
const before = procOf(service.pid);

// One after the other: connections that are made in a storm have round trips of seconds to learn from.
const generators = [];
let all = 0;
for (const l of loads) {
  const g = generate(l, port);
  generators.push(g);
  all += l.conns;
  const patience = Date.now() + 30000 + l.conns * 10;
  while (!g.ended && standing(port) < all && Date.now() < patience) await pause(500);
}
const first = procOf(service.pid), held = standing(port);
const until = Date.now() + seconds * 1000;
while (!generators.some((g) => g.ended) && Date.now() < until) await pause(500);
const last = procOf(service.pid), heldLast = standing(port);
generators.forEach((g) => g.stop());
await Promise.all(generators.map((g) => g.end));
await stopService(service);

console.log(`| held | ${loads.map((l) => `${l.conns} ${l.scheme}`).join(', ')}, for ${options.minutes} minutes, one worker |\n|---|---|`);
console.log(`| standing when all were made, at the end | ${held}, ${heldLast} |`);
console.log(`| resident memory before, with all, at the end | ${[before, first, last].map((p) => p.rss_mb.toFixed(0)).join(', ')} MB |`);
console.log(`| CPU of the service while they stood | ${(100 * (last.cpu_s - first.cpu_s) / ((last.at - first.at) / 1000)).toFixed(1)} % of a core |`);
let bad = false;
for (const g of generators) {
  const j = g.text.trim() ? JSON.parse(g.text) : null;
  bad ||= g.code !== 0 || !j;
  console.log(`| ${g.conns} ${g.scheme} | ${j ? `${j.connections_lost} lost; ${j.ok} calls answered, ${j.failed} failed, ` +
    `p99 ${(j.latency_us.p99 / 1000).toFixed(1)} ms` : 'no report'}${g.code ? `; exit code ${g.code}: ${g.said.trim()}` : ''} |`);
}
process.exitCode = bad || held < all || heldLast < all ? 1 : 0;
