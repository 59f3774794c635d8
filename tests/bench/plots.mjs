// Bars out of the results, as SVG that is readable on light and on dark ground. Not here: tables (report.mjs).
import { digits, figure } from './report.mjs';

const style = `<style>
  .ground { fill: #fff; } text { fill: #222; } .axis { stroke: #999; stroke-dasharray: 3 3; } .limit { stroke: #c22; stroke-width: 2; }
  .base { fill: #aaa; } .herz { fill: #2a6fb0; } .peer { fill: #d0893a; } .faint { opacity: 0.45; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #ddd; } .axis { stroke: #777; } .limit { stroke: #f66; }
    .base { fill: #777; } .herz { fill: #58a6ff; } .peer { fill: #e0a050; }
  }
</style>`;

const escape = (t) => t.replace(/&/g, '&amp;').replace(/</g, '&lt;');
const kind = (name) => (name === 'plain' ? 'base' : name.startsWith('herz') ? 'herz' : 'peer');

// groups: { name, bars: [{ name, parts: [largest first], text, limit, kind }] }. `most`: what is longer is cut there.
export function bars(title, groups, most, marks = []) {
  const left = 190, unit = 420 / most, line = 18;
  const count = groups.reduce((n, g) => n + 1 + g.bars.length, 0);
  const height = count * line + 34;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" viewBox="0 0 760 ${height}" font-family="sans-serif" font-size="11">`,
    style, `<rect class="ground" width="760" height="${height}"/>`,
    `<text x="8" y="15" font-weight="bold" font-size="12">${escape(title)}</text>`,
    ...marks.map((m) => `<line class="axis" x1="${left + m * unit}" y1="22" x2="${left + m * unit}" y2="${height - 6}"/>`),
  ];
  let y = 26;
  for (const g of groups) {
    out.push(`<text x="8" y="${y + 13}" font-weight="bold">${escape(g.name)}</text>`);
    y += line;
    for (const b of g.bars) {
      const width = (v) => (Math.min(v, most) * unit).toFixed(1);
      out.push(`<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escape(b.name)}</text>`);
      b.parts.forEach((v, i) => out.push(
        `<rect class="${b.kind ?? kind(b.name)}${i < b.parts.length - 1 ? ' faint' : ''}" x="${left}" y="${y + 2}" width="${width(v)}" height="12"/>`));
      if (b.limit) out.push(`<line class="limit" x1="${left + b.limit * unit}" y1="${y}" x2="${left + b.limit * unit}" y2="${y + 16}"/>`);
      out.push(`<text x="${left + Number(width(Math.max(b.parts[0], b.limit ?? 0))) + 6}" y="${y + 12}">${escape(b.text)}</text>`);
      y += line;
    }
  }
  return [...out, '</svg>', ''].join('\n');
}

const measured = (s, of) => s.contestants.filter((c) => Number.isFinite(figure(s, c, of)));
const groupsOf = (results, of, bar) => results
  .map((s) => ({ name: s.name, bars: measured(s, of).map((c) => bar(s, c)) }))
  .filter((g) => g.bars.length > 0);

// Only what has a plain to be compared with.
function cpu(results) {
  const groups = groupsOf(results.filter((s) => s.base === 'plain'), 'x', (s, c) => {
    const x = figure(s, c, 'x');
    return { name: c.name, parts: [x], text: x.toFixed(2) };
  });
  const most = Math.min(5, Math.max(2, ...groups.flatMap((g) => g.bars.map((b) => b.parts[0]))));
  return bars('CPU of the service, times a parse-free echo', groups, most, [1]);
}

// Closed loops: the latency of many connections is their number by the rate, so only where little waits in a queue does it
// say something of its own.
function latency(results) {
  const alone = results.filter((s) => /, (1 x 1|20 x 1|1 connection)$/.test(s.name));
  const groups = groupsOf(alone, 'p99_us', (s, c) => {
    const { p50_us, p99_us } = c.median;
    return { name: c.name, parts: [p99_us, p50_us], text: `${digits(p50_us)} / ${digits(p99_us)}` };
  });
  const most = Math.min(600, Math.max(100, ...groups.flatMap((g) => g.bars.map((b) => b.parts[0]))));
  return bars('Latency, p50 (full) and p99 (faint), microseconds', groups, most);
}

function memory(results) {
  const groups = groupsOf(results.filter((s) => s.memory), 'memory_each', (s, c) => {
    const kib = Math.max(0, c.median.memory_each) / 1024;
    const limit = c.name === 'herz' ? s.budget.find((b) => b.of === 'memory_each').most / 1024 : undefined;
    return { name: c.name, parts: [kib], text: `${kib.toFixed(2)}${limit ? `, budget ${limit.toFixed(1)}` : ''}`, limit };
  });
  const most = Math.max(1, ...groups.flatMap((g) => g.bars.map((b) => Math.max(b.parts[0], b.limit ?? 0))));
  return bars('Memory of the service for an idle connection, KiB', groups, most);
}

// File names and their contents; none for what was not measured.
export function plots(results) {
  const files = {};
  for (const [file, draw, has] of [
    ['cpu.svg', cpu, (s) => s.base === 'plain'],
    ['latency.svg', latency, (s) => /, (1 x 1|20 x 1|1 connection)$/.test(s.name)],
    ['memory.svg', memory, (s) => s.memory],
  ]) {
    if (results.some((s) => has(s) && s.contestants.some((c) => c.runs.length > 0))) files[file] = draw(results);
  }
  return files;
}
