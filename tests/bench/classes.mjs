// What the delivery classes buy: runs tests/sim/hub_classes_test.c, which writes a line of JSON for each row, and draws
// classes.svg and classes-narrow.svg into --out; the table goes to standard output. Not here: what is run.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bars } from './plots.mjs';

const lossy = ['nothing lost', '1 % lost', '5 % lost', '10 % lost'];
const narrow = ['a line for half of it'];

const at = process.argv.indexOf('--out');
const out = at < 0 ? 'build/performance' : process.argv[at + 1];
const test = 'build/tests/test_sim_hub_classes';
if (!out || !existsSync(test)) {
  console.error('usage, in the root of the project, after make build: node tests/bench/classes.mjs [--out DIR]');
  process.exit(2);
}

function measure() {
  const dir = mkdtempSync(join(tmpdir(), 'herz-classes-'));
  const file = join(dir, 'rows');
  const run = spawnSync(test, ['-j1'], { env: { ...process.env, HERZ_CLASSES: file }, stdio: ['ignore', 2, 2] });
  const rows = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map((l) => JSON.parse(l)) : [];
  rmSync(dir, { recursive: true });
  if (run.status !== 0) process.exit(1);
  return rows;
}

const ms = (v) => v.toFixed(0);
const share = (r) => `${(100 * r.heard).toFixed(1)} %`;

function draw(rows, names, most) {
  const groups = names.map((name) => ({
    name,
    bars: rows.filter((r) => r.group === name).map((r) => ({
      name: `${r.transport} ${r.class}`,
      kind: r.transport === 'quic' ? 'herz' : 'base',
      parts: [r.p99, r.p50],
      text: `${ms(r.p50)} / ${ms(r.p99)}, ${share(r)} heard`,
    })),
  }));
  return bars(`Age of an event when it is heard, p50 (full) and p99 (faint), ms`, groups, most);
}

const rows = measure();
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'classes.svg'), draw(rows, lossy, 300));
writeFileSync(join(out, 'classes-narrow.svg'), draw(rows, narrow, 32000));
console.log('| | transport | class | heard | p50 | p90 | p99 | max |\n|---|---|---|---|---|---|---|---|');
for (const name of [...lossy, ...narrow]) {
  for (const r of rows.filter((x) => x.group === name)) {
    console.log(`| ${name} | \`${r.transport}\` | \`${r.class}\` | ${share(r)} | ${[r.p50, r.p90, r.p99, r.max].map(ms).join(' | ')} |`);
  }
}
