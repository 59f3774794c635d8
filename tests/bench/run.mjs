// The table of the budgets: Herz, a parse-free echo, and the peers that are installed, in alternation on
// pinned cores. Prints a Markdown table; writes it, a plot and JSON. docs/bench.md says how to read it. Not here: load
// (herz bench), micro-benchmarks (bench_*.c).
//
//   node tests/bench/run.mjs [--build DIR] [--rounds N] [--seconds S] [--only TEXT] [--out DIR] [--list]
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { heading, plot, table } from './report.mjs';
import { scenarios } from './scenarios.mjs';

const { values: options } = parseArgs({
  options: {
    build: { type: 'string', default: 'build' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
  },
});
const build = resolve(options.build);
const rounds = Number(options.rounds), seconds = Number(options.seconds);
if (!(rounds >= 1) || !(seconds > 0)) {
  console.error('run.mjs: give --rounds of 1 or more and --seconds over 0');
  process.exit(2);
}
const herz = join(build, 'herz');
const work = mkdtempSync(join(tmpdir(), 'herz-bench-'));
process.env.XDG_STATE_HOME = work;

const onPath = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
// Pinning is what makes a figure one of a core; on a single core it would make one of nothing.
const pinned = cpus().length >= 2 && onPath('taskset');
const pin = (core, argv) => (pinned ? ['taskset', '-c', String(core), ...argv] : argv);

function freePort() {
  return new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

// --- services ----------------------------------------------------------------------------------------

// Each: argv(port) to start it, ready(line) on its output, installed(). `prints`: it chooses its port.
const services = {
  herz: {
    argv: (port) => [join(build, 'herzd'), '--dev', '--log-level', 'off', '--listen', `tcp://127.0.0.1:${port}`,
      '--listen', `quic://127.0.0.1:${port}`],
    ready: (line) => line.startsWith('ready in'),
    installed: () => true,
  },
  'plain tcp': {
    argv: (port) => [join(build, 'bench/plain_echo'), 'tcp', String(port)],
    ready: () => true,
    installed: () => true,
  },
  'plain ws': {
    argv: (port) => [join(build, 'bench/plain_echo'), 'ws', String(port)],
    ready: () => true,
    installed: () => true,
  },
  redis: {
    argv: (port) => ['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no',
      '--dir', work],
    ready: (line) => line.includes('Ready to accept connections'),
    installed: () => onPath('redis-server'),
  },
  nats: {
    argv: (port) => ['nats-server', '-a', '127.0.0.1', '-p', String(port)],
    ready: (line) => line.includes('Server is ready'),
    installed: () => onPath('nats-server'),
  },
};

function startService(name, port) {
  const argv = pin(0, services[name].argv(port));
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((done, failed) => {
    let text = '';
    const late = setTimeout(() => failed(new Error(`${name} did not come up:\n${text}`)), 20000);
    const take = (chunk) => {
      text = (text + chunk).slice(-4000);
      if (!text.split('\n').slice(0, -1).some(services[name].ready)) return;
      clearTimeout(late);
      done(child);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`${name} ended with ${code}:\n${text}`)));
  });
}

function stopService(child) {
  return new Promise((done) => {
    child.removeAllListeners('exit');
    child.on('exit', done);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 3000).unref();
  });
}

// --- one measurement ---------------------------------------------------------------------------------

const benchArgs = (contestant, port) => contestant.args.map((a) => a.replace('PORT', String(port)));

async function measure(contestant) {
  const port = await freePort();
  const service = await startService(contestant.service, port);
  try {
    const span = contestant.fixed ? [] : ['-D', String(seconds), '--warmup', String(Math.max(0.2, seconds / 5))];
    const argv = pin(1, [herz, 'bench', ...benchArgs(contestant, port), ...span, '--server-pid', String(service.pid), '--json']);
    const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', maxBuffer: 1 << 26, timeout: (seconds + 180) * 1000 });
    if (r.status !== 0) throw new Error(`${argv.join(' ')}: exit code ${r.status}\n${r.stderr}`);
    const j = JSON.parse(r.stdout);
    return {
      server_us: j.server_cpu_s_per_million, client_us: j.client_cpu_s_per_million, per_second: j.per_second,
      p50_us: j.latency_us.p50, p99_us: j.latency_us.p99,
      memory_each: (j.server_rss_kib - j.server_rss_before_kib) * 1024 / j.connections,
      per_server_cpu_s: j.server_cpu_s > 0 ? (j.ok + j.bad_status) / j.server_cpu_s : 0,
    };
  } finally {
    await stopService(service);
  }
}

const median = (list) => {
  const s = [...list].sort((a, b) => a - b), h = s.length >> 1;
  return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2;
};
const medians = (runs) =>
  Object.fromEntries(Object.keys(runs[0]).map((key) => [key, median(runs.map((r) => r[key]))]));

const show = (text) => process.stderr.isTTY && process.stderr.write(`\r${text}\x1b[K`);

async function measureScenario(scenario) {
  const contestants = scenario.contestants.filter((c) => services[c.service].installed());
  const runs = new Map(contestants.map((c) => [c.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const c of contestants) {
      show(`${scenario.name}: round ${round + 1} of ${rounds}, ${c.name}`);
      runs.get(c.name).push(await measure(c));
    }
  }
  show('');
  return contestants.map((c) => ({
    name: c.name,
    command: `herz bench ${benchArgs(c, 'PORT').join(' ')}`,
    runs: runs.get(c.name),
    median: medians(runs.get(c.name)),
  }));
}

// --- the report ---------------------------------------------------------------------------------------

function machine() {
  const cpu = cpus();
  let commit = '';
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch { /* a source archive */ }
  return {
    cpu: cpu[0]?.model ?? '', cores: cpu.length, kernel: release(), commit, pinned,
    load: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
    versions: execFileSync(herz, ['version', '--build'], { encoding: 'utf8' }).trim().split('\n'),
  };
}

const wanted = scenarios.filter((s) => s.name.includes(options.only));
if (wanted.length === 0) {
  console.error(`run.mjs: --only ${options.only}: nothing is called so; --list shows what there is`);
  process.exit(2);
}
try {
  if (options.list) {
    for (const s of wanted) {
      console.log(s.name);
      for (const c of s.contestants) {
        const missing = services[c.service].installed() ? '' : '   (not installed)';
        console.log(`  ${c.name}: ${services[c.service].argv('PORT').join(' ')}${missing}\n    herz bench ${benchArgs(c, 'PORT').join(' ')}`);
      }
    }
  } else {
    if (!pinned) console.error('run.mjs: fewer than two cores, or no taskset: nothing is pinned, the ratios mean little');
    const report = { at: new Date().toISOString(), rounds, seconds, machine: machine(), scenarios: [] };
    for (const s of wanted) {
      report.scenarios.push({ name: s.name, budget: s.budget, memory: s.memory ?? false, contestants: await measureScenario(s) });
    }
    const out = options.out || join(build, 'performance');
    const text = `${heading(report)}\n\n${table(report.scenarios)}\n`;
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'results.json'), JSON.stringify(report, null, 1) + '\n');
    writeFileSync(join(out, 'table.md'), text);
    writeFileSync(join(out, 'cpu.svg'), plot(report.scenarios));
    console.log(text);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
