// One measurement: a service is loaded by a generator, and out come the figures of the table under the same names,
// whoever the generator was. Not here: in what order (run.mjs), of what (scenarios.mjs).
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { onPath, pin } from './peers.mjs';

const MINUTE = 60000;

// What cannot be measured here, which is no failure.
export class NotThere extends Error {}

function run(argv, seconds) {
  const r = spawnSync(argv[0], argv.slice(1),
    { encoding: 'utf8', maxBuffer: 1 << 26, timeout: seconds * 1000 + 2 * MINUTE });
  if (r.status !== 0) throw new Error(`${argv.join(' ')}: exit code ${r.status ?? r.signal}\n${r.stderr}`);
  return r;
}

// --- herz bench: it measures the service itself --------------------------------------------------------

export function herzBench(setup, args, pid, cores) {
  const { build, seconds } = setup;
  const span = args.includes('-n') ? [] : ['-D', String(seconds), '--warmup', String(Math.max(0.2, seconds / 5))];
  const r = run(pin(cores, [join(build, 'herz'), 'bench', ...args, ...span, '--server-pid', String(pid), '--json']), seconds);
  const j = JSON.parse(r.stdout);
  const count = j.deliveries ?? j.ok + j.bad_status;
  return {
    server_us: j.server_cpu_s_per_million, client_us: j.client_cpu_s_per_million, per_second: count / j.seconds,
    p50_us: j.latency_us.p50, p99_us: j.latency_us.p99,
    memory_each: (j.server_rss_kib - j.server_rss_before_kib) * 1024 / j.connections,
    per_server_cpu_s: j.server_cpu_s > 0 ? count / j.server_cpu_s : 0,
  };
}

// --- h2load: everything that its client did is divided by its requests ---------------------------------

// CPU time of a process. The scheduler's own count is exact but only of threads that live still; the other is of
// all threads, in steps of 10 ms.
function cpuOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const cpu = { ticks_s: (Number(f[11]) + Number(f[12])) / 100, threads: readdirSync(`/proc/${pid}/task`), exact_s: 0 };
  try {
    for (const t of cpu.threads) {
      cpu.exact_s += Number(readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
    }
  } catch { /* a thread that has just ended, or a kernel without it */
    cpu.exact_s = NaN;
  }
  return cpu;
}

function cpuBetween(a, b) {
  const all = a.threads.every((t) => b.threads.includes(t)) && Number.isFinite(a.exact_s) && b.exact_s > 0;
  return all ? b.exact_s - a.exact_s : b.ticks_s - a.ticks_s;
}

// `times` of a shell, last line: user and system time of its children.
function childSeconds(text) {
  const [, u, us, s, ss] = text.trim().split('\n').at(-1).match(/(\d+)m([\d.]+)s (\d+)m([\d.]+)s/);
  return Number(u) * 60 + Number(us) + Number(s) * 60 + Number(ss);
}

export function h2load(setup, args, pid, cores) {
  const out = join(setup.work, 'h2load.json'), session = join(setup.work, 'session');
  const program = join(setup.build, 'peers/bin/h2load');
  if (args.includes(`--tls-session-file=${session}`)) {
    rmSync(session, { force: true });
    run([program, '--h3', `--tls-session-file=${session}`, '-n', '1', args.at(-1)], 10);
  }
  const before = cpuOf(pid);
  const r = run(pin(cores, ['sh', '-c', '"$@" >&2; code=$?; times; exit $code', 'sh',
    program, '--h3', `--output-file=${out}`, ...args]), 120);
  const server_s = cpuBetween(before, cpuOf(pid));
  const m = JSON.parse(readFileSync(out, 'utf8')).measurements;
  const n = m.requests.succeeded;
  if (n !== m.requests.total) throw new Error(`h2load ${args.join(' ')}: ${n} of ${m.requests.total} requests succeeded`);
  const took = args.includes('-r') ? m.performance.ttfb : m.performance.request;
  return {
    server_us: server_s * 1e6 / n, client_us: childSeconds(r.stdout) * 1e6 / n, per_second: m.request_per_second,
    p50_us: took.median * 1e6, p99_us: took.p99 * 1e6, per_server_cpu_s: n / server_s,
  };
}

// --- strace: system calls ------------------------------------------------------------------------------

export const straceMissing = () => (onPath('strace') ? '' : 'not installed: strace');

// Counts the system calls of `pid` while `load()` runs; answers strace's table.
async function traced(setup, pid, load) {
  const out = join(setup.work, 'strace');
  const child = spawn('strace', ['-f', '-c', '-o', out, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((done, failed) => {
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk).includes('attached') && done());
    child.on('exit', (code) => failed(new Error(`strace ended with ${code}: ${text}`)));
    child.on('error', failed);
  });
  const ended = new Promise((done) => child.removeAllListeners('exit').on('exit', done));
  try {
    load();
  } finally {
    child.kill('SIGINT');
    await ended;
  }
  return readFileSync(out, 'utf8');
}

const moves = /^(read|readv|recv|recvfrom|recvmsg|recvmmsg|write|writev|send|sendto|sendmsg|sendmmsg)$/;

// System calls a message, on the service: those that carry bytes, and all of them.
export async function syscalls(setup, args, pid, cores) {
  const calls = Number(args[args.indexOf('-n') + 1]);
  const text = await traced(setup, pid, () => herzBench(setup, args, pid, cores));
  let moving = 0, all = 0;
  for (const line of text.split('\n')) {
    const f = line.trim().split(/\s+/);
    if (!/^[\d.]+$/.test(f[0] ?? '') || f.at(-1) === 'total') continue;
    all += Number(f[3]);
    if (moves.test(f.at(-1))) moving += Number(f[3]);
  }
  return { io_calls: moving / calls, all_calls: all / calls };
}

// --- counters of the service ---------------------------------------------------------------------------

// Packets that left with one send call, by the service's own counters.
export function trains(setup, args, pid, cores) {
  const url = args.at(-1).replace(/(:\d+)\/.*/, '$1/counters');
  const counters = () => JSON.parse(run([join(setup.build, 'herz'), 'req', url], 10).stdout);
  const before = counters();
  if (!('udp_sends' in before)) throw new NotThere('herzd has no counter udp_sends');
  herzBench(setup, args, pid, cores);
  const after = counters();
  return { packets_a_call: (after.udp_packets - before.udp_packets) / (after.udp_sends - before.udp_sends) };
}
