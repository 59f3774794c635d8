// What a run of run.mjs has found, as Markdown: every budget with its verdict, then all figures. Not here: measuring,
// plots (plots.mjs).

// Three digits, and no more than are printed count for a verdict.
export const digits = (v) => {
  if (v === undefined || v === null || !Number.isFinite(v)) return '';
  const a = Math.abs(v);
  return a >= 1000 ? Math.round(v).toString() : a >= 100 ? v.toFixed(0) : a >= 10 ? v.toFixed(1) : v.toFixed(a >= 1 ? 2 : 3);
};

// What a budget is of: how it is written.
const units = {
  x: (v, s) => `${v} x ${s.base}`,
  server_us: (v) => `${v} us`,
  p50_us: (v) => `p50 ${v} us`,
  p99_us: (v) => `p99 ${v} us`,
  late_p99_us: (v) => `p99 ${v} us late`,
  memory_each: (v) => `${v} B`,
  per_server_cpu_s: (v) => `${v} a CPU-second`,
  io_calls: (v) => `${v} receive and send`,
  index_mb: (v) => `${v} MB`,
  packets_a_call: (v) => `${v} packets`,
  ns: (v) => `${v} ns`,
  ir: (v) => `${v} Ir`,
};

const find = (s, name) => s.contestants.find((c) => c.name === name);

// A contestant's figure by the name that budgets use.
export function figure(s, c, of) {
  if (of !== 'x') return c?.median[of];
  const base = find(s, s.base)?.median[s.ratio];
  return base ? c?.median[s.ratio] / base : undefined;
}

const limitText = (b, s) => `${b.most !== undefined ? '<=' : '>='} ${units[b.of](b.most ?? b.least, s)}`;

function verdict(s, b, value) {
  if (value === undefined || Number.isNaN(value)) return 'not measured';
  const printed = Number(digits(value));
  return (b.most !== undefined ? printed <= b.most : printed >= b.least) ? 'met' : '**missed**';
}

const command = (s) => `\`--only '${s.name}'\``;

function budgetRows(s) {
  const subject = find(s, s.subject ?? 'herz');
  const why = s.waits ? `comes with ${s.waits}` : (subject?.left_out ?? '');
  const budgets = s.budget.length > 0 || s.micro ? s.budget : [{ of: Object.keys(subject?.median ?? {})[0], none: true }];
  return budgets.map((b) => {
    const value = figure(s, subject, b.of);
    const here = value === undefined ? why : units[b.of]?.(digits(value), s) ?? digits(value);
    return `| ${s.name} | ${here} | ${b.none ? '' : limitText(b, s)} | ${b.none ? '' : verdict(s, b, value)} | ${command(s)} |`;
  });
}

function budgetTable(results) {
  return ['| row | here | budget | verdict | printed by |', '|---|---|---|---|---|', ...results.flatMap(budgetRows)];
}

function loadTable(results) {
  const loads = results.filter((s) => s.contestants.some((c) => c.left_out || c.median.server_us !== undefined));
  if (loads.length === 0) return [];
  const rows = loads.flatMap((s) => s.contestants.map((c) => {
    const m = c.median, head = `| ${s.name} | ${c.name} |`;
    if (m.server_us === undefined) return `${head} ${c.left_out ?? ''} | | | | | | |`;
    const x = s.base ? digits(figure(s, c, 'x')) : '';
    return `${head} ${digits(m.server_us)} | ${x} | ${digits(m.client_us)} | ${Math.round(m.per_second)} | ` +
      `${digits(m.p50_us)} | ${digits(m.p99_us)} | ${s.memory ? Math.round(m.memory_each) : ''} |`;
  }));
  return ['', '## Services under load', '',
    '| what | who | CPU us each, service | x | CPU us each, generator | per second | p50 us | p99 us | memory a connection, B |',
    '|---|---|---|---|---|---|---|---|---|', ...rows];
}

function pathTable(results) {
  const rows = results.filter((s) => s.micro).flatMap((s) => s.contestants.map((c) =>
    `| ${s.name} | ${c.name} | ${c.left_out ?? digits(c.median.ns)} | ${digits(c.median.ir)} |`));
  if (rows.length === 0) return [];
  return ['', '## Paths by themselves', '', '| path | who | ns | instructions |', '|---|---|---|---|', ...rows];
}

function peerTable(peers) {
  return ['', '## Peers', '', '| peer | rows | missing |', '|---|---|---|',
    ...peers.map((p) => `| ${p.name} | ${p.rows} | ${[p.missing, p.waits].filter(Boolean).join('; ')} |`)];
}

const QUIET = 0.1;

function heading(report) {
  const m = report.machine;
  return `${m.cpu}, ${m.cores} cores, Linux ${m.kernel}, commit ${m.commit}; ` +
    `medians of ${report.rounds} alternated rounds of ${report.seconds} s${m.pinned ? '' : '; NOT PINNED'}.` +
    `${m.busy > QUIET ? ` **Not a quiet machine: ${Math.round(m.busy * 100)} % busy before the start.**` : ''}`;
}

function failed(failures) {
  if (failures.length === 0) return [];
  return ['', `## Runs that failed: ${failures.length}`, '',
    ...failures.map((f) => `- ${f.scenario}, ${f.who}: ${f.text.split('\n')[0]}`)];
}

export function document(report) {
  const results = report.scenarios;
  return [heading(report), '', 'Each row is printed by `node tests/bench/run.mjs` with the flag beside it.', '',
    '## Budgets', '', ...budgetTable(results), ...loadTable(results), ...pathTable(results), ...peerTable(report.peers),
    ...failed(report.failures), ''].join('\n');
}
