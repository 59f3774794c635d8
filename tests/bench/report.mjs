// What a run of run.mjs has found, as a Markdown table and as a plot. Not here: measuring.

const digits = (v) => (v === undefined ? '' : v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));
const plainOf = (s) => s.contestants.find((c) => c.name === 'plain')?.median.server_us;

export function table(results) {
  const rows = [
    '| what | who | CPU us each, service | x plain | CPU us each, generator | per second | p50 us | p99 us | memory a connection, B | budget |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const s of results) {
    const plain = plainOf(s);
    for (const c of s.contestants) {
      const m = c.median;
      rows.push(`| ${s.name} | ${c.name} | ${digits(m.server_us)} | ${plain ? digits(m.server_us / plain) : ''} | ` +
        `${digits(m.client_us)} | ${Math.round(m.per_second)} | ${digits(m.p50_us)} | ${digits(m.p99_us)} | ` +
        `${s.memory ? Math.round(m.memory_each) : ''} | ` +
        `${c.name === 'herz' ? s.budget : ''} |`);
    }
  }
  return rows.join('\n');
}

export function heading(report) {
  const m = report.machine;
  return `${m.cpu}, ${m.cores} cores, Linux ${m.kernel}, load ${m.load}, commit ${m.commit}; ` +
    `medians of ${report.rounds} alternated rounds of ${report.seconds} s${m.pinned ? '' : '; NOT PINNED'}`;
}

const escape = (t) => t.replace(/&/g, '&amp;').replace(/</g, '&lt;');

// A bar a contestant: the service's CPU time each, as a multiple of plain's in the same rounds. Only what
// has a plain to be compared with.
export function plot(results) {
  const compared = results.filter((s) => plainOf(s));
  const bars = compared.flatMap((s) => [
    { group: s.name },
    ...s.contestants.map((c) => ({ name: c.name, x: c.median.server_us / plainOf(s) })),
  ]);
  const most = Math.max(2, ...bars.map((b) => Math.min(b.x ?? 0, 5)));
  const left = 170, unit = 440 / most, line = 18;
  const height = bars.length * line + 30;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="760" height="${height}" fill="#fff"/>`,
    `<text x="8" y="14" font-weight="bold">CPU of the service, times a parse-free echo</text>`,
    `<line x1="${left + unit}" y1="20" x2="${left + unit}" y2="${height - 6}" stroke="#888" stroke-dasharray="3 3"/>`,
  ];
  bars.forEach((b, i) => {
    const y = 24 + i * line;
    if (b.group) {
      out.push(`<text x="8" y="${y + 13}" font-weight="bold">${escape(b.group)}</text>`);
      return;
    }
    const fill = b.name === 'plain' ? '#bbb' : b.name.startsWith('herz') ? '#2a6fb0' : '#d0893a';
    out.push(`<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escape(b.name)}</text>`,
      `<rect x="${left}" y="${y + 2}" width="${(Math.min(b.x, 5) * unit).toFixed(1)}" height="12" fill="${fill}"/>`,
      `<text x="${(left + Math.min(b.x, 5) * unit + 5).toFixed(1)}" y="${y + 12}">${b.x.toFixed(2)}</text>`);
  });
  return [...out, '</svg>', ''].join('\n');
}
