// The micro-benchmarks: each program runs once and has a figure for each of its paths; instructions come from
// ir.sh, once for all. Not here: what they measure (bench_*.c), their budgets (scenarios.mjs).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pin } from './peers.mjs';

const known = new Map();

function lines(argv, env, mayFail) {
  const key = argv.join(' ');
  if (known.has(key)) return known.get(key);
  const r = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 600000, env: { ...process.env, ...env } });
  if (r.status !== 0 && !mayFail) throw new Error(`${key}: exit code ${r.status ?? r.signal}\n${r.stderr}`);
  const found = r.stdout.split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  known.set(key, found);
  return found;
}

// args: program, path.
export function microPath(setup, [program, path], _pid, cores) {
  const found = lines(pin(cores, [join(setup.build, 'bench', program)])).find((l) => l.name === path);
  if (!found) throw new Error(`${program} has no figure for ${path}`);
  // It fails where a path has become dearer, which is not this report's business.
  const counted = lines(['tests/bench/ir.sh'], { HERZ_BUILD: setup.build }, true).find((l) => l.name === path);
  return counted ? { ns: found.ns, ir: counted.ir } : { ns: found.ns };
}

export function deadline(setup, _args, _pid, cores) {
  const [found] = lines(pin(cores, [join(setup.build, 'bench/bench_deadline')]));
  return { late_p50_us: found.p50_us, late_p99_us: found.p99_us };
}

// At a million subscriptions, as resident memory shows it.
export function indexMemory(setup, _args, _pid, cores) {
  const found = lines(pin(cores, [join(setup.build, 'bench/bench_index'), '--growth'])).at(-1);
  return { index_mb: found.resident / 1e6, patterns: found.patterns, false_topics: found.false_topics };
}
