// The table of the budgets: Herz, a parse-free echo, the peers that are here, in alternation on pinned cores, and the
// micro-benchmarks. Prints Markdown; writes it, JSON and plots. docs/bench.md says how to read it. Not here: what is
// measured (scenarios.mjs), how (load.mjs, micro.mjs), what is said of it (report.mjs).
//
//   node tests/bench/run.mjs [--build DIR] [--rounds N] [--seconds S] [--only TEXT] [--out DIR] [--list]
//   node tests/bench/run.mjs --again DIR       the report anew, out of DIR/results.json
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { NotThere, straceMissing, syscalls } from './load.mjs';
import { freePort, peers, pinned, servicesOf, startService, stopService } from './peers.mjs';
import { plots } from './plots.mjs';
import { document } from './report.mjs';
import { scenarios } from './scenarios.mjs';

const usage = 'usage: run.mjs [--build DIR] [--rounds N] [--seconds S] [--only TEXT] [--out DIR] [--list] | --again DIR';
const flags = {
  options: {
    help: { type: 'boolean', default: false },
    build: { type: 'string', default: 'build' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    again: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
  },
};
function read() {
  try {
    return parseArgs(flags).values;
  } catch (e) {
    console.error(`run.mjs: ${e.message}\n${usage}`);
    process.exit(2);
  }
}
const options = read();
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const rounds = Number(options.rounds), seconds = Number(options.seconds);
if (!(rounds >= 1) || !(seconds > 0)) {
  console.error('run.mjs: give --rounds of 1 or more and --seconds over 0');
  process.exit(2);
}
const wanted = scenarios.filter((s) => s.name.includes(options.only));
if (wanted.length === 0) {
  console.error(`run.mjs: --only ${options.only}: nothing is called so; --list shows what there is`);
  process.exit(2);
}
const build = resolve(options.build);
process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const work = mkdtempSync(join(tmpdir(), 'herz-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
process.env.XDG_STATE_HOME = work;
const setup = { build, work, seconds };
const services = servicesOf(build, work);

// '' or why this one cannot be measured.
function missing(contestant) {
  const why = contestant.service ? services[contestant.service].missing() : '';
  return why || (contestant.by === syscalls ? straceMissing() : '');
}

const argsOf = (c, port) => c.args.map((a) => a.replace('PORT', String(port)).replace('WORK', work));

async function measure(c) {
  const cores = c.cores ?? { service: 0, load: 1 };
  if (!c.service) return c.by(setup, c.args, 0, cores.load);
  const port = await freePort();
  const child = await startService(services[c.service], c.service, port, cores.service, work);
  try {
    return await c.by(setup, argsOf(c, port), child.pid, cores.load);
  } finally {
    await stopService(child);
  }
}

const median = (list) => {
  const s = [...list].sort((a, b) => a - b), h = s.length >> 1;
  return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2;
};
const medians = (runs) =>
  Object.fromEntries(Object.keys(runs[0] ?? {}).map((key) => [key, median(runs.map((r) => r[key]))]));

const show = (text) => process.stderr.isTTY && process.stderr.write(`\r${text}\x1b[K`);

// A run that fails is told, and made again once; what fails twice in a scenario is left out of it, and the rest goes on.
const failures = [];

async function attempt(scenario, c, state) {
  for (let tries = 2; tries > 0 && !state.why; tries--) {
    try {
      state.runs.push(await measure(c));
      return;
    } catch (e) {
      if (e instanceof NotThere) {
        state.why = e.message;
        return;
      }
      const text = e.message.trim();
      failures.push({ scenario: scenario.name, who: c.name, text });
      show('');
      console.error(`run.mjs: ${scenario.name}, ${c.name}: ${text.slice(0, 2000)}`);
      if (tries === 1) state.why = `failed: ${text.split('\n')[0]}`;
    }
  }
}

async function measureScenario(scenario) {
  const all = (scenario.contestants ?? []).map((c) => ({ c, runs: [], why: missing(c) }));
  const times = scenario.once || scenario.micro ? 1 : rounds;
  for (let round = 0; round < times; round++) {
    for (const state of all) {
      show(`${scenario.name}: round ${round + 1} of ${times}, ${state.c.name}`);
      await attempt(scenario, state.c, state);
    }
  }
  show('');
  return all.map(({ c, runs, why }) => ({
    name: c.name, command: commandOf(c), ...(why ? { left_out: why } : {}), runs, median: medians(runs),
  }));
}

const commandOf = (c) => `${c.by.name === 'herzBench' ? 'herz bench' : c.by.name} ${c.args.join(' ')}`;

// What share of the cores others use, over a second.
async function busy() {
  const ticks = () => readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1, 9).map(Number);
  const before = ticks();
  await new Promise((done) => setTimeout(done, 1000));
  const d = ticks().map((t, i) => t - before[i]);
  return 1 - (d[3] + d[4]) / d.reduce((a, b) => a + b); // idle, and waiting for a disk
}

async function machine() {
  const cpu = cpus();
  let commit = '';
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch { /* a source archive */ }
  return {
    cpu: cpu[0]?.model ?? '', cores: cpu.length, kernel: release(), commit, pinned,
    busy: await busy(),
    versions: execFileSync(join(build, 'herz'), ['version', '--build'], { encoding: 'utf8' }).trim().split('\n'),
  };
}

function write(report, out) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), JSON.stringify(report, null, 1) + '\n');
  writeFileSync(join(out, 'table.md'), document(report));
  for (const [file, text] of Object.entries(plots(report.scenarios))) writeFileSync(join(out, file), text);
}

function list() {
  for (const s of wanted) {
    console.log(`${s.name}${s.waits ? `   (comes with ${s.waits})` : ''}`);
    for (const c of s.contestants ?? []) {
      const why = missing(c);
      console.log(`  ${c.name}${why ? `   (${why})` : ''}\n    ${commandOf(c)}`);
    }
  }
}

if (options.again) {
  const report = JSON.parse(readFileSync(join(options.again, 'results.json'), 'utf8'));
  write(report, options.again);
  console.log(document(report));
} else if (options.list) {
  list();
} else {
  if (!pinned) console.error('run.mjs: fewer than two cores, or no taskset: nothing is pinned, the ratios mean little');
  const out = options.out || join(build, 'performance');
  const report = {
    at: new Date().toISOString(), rounds, seconds, machine: await machine(), failures, scenarios: [],
    peers: peers.map(({ name, service, rows, waits }) =>
      ({ name, rows, waits, missing: service ? services[service].missing() : '' })),
  };
  for (const s of wanted) {
    const { name, budget, base, ratio, subject, memory, micro, waits } = s;
    report.scenarios.push({ name, budget, base, ratio, subject, memory, micro, waits, contestants: await measureScenario(s) });
    write(report, out); // an interrupted run has come to something
  }
  console.log(document(report));
  if (failures.length > 0) process.exitCode = 1;
}
