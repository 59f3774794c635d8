// The console: reads the feed (console/live), keeps five minutes of it, draws. Not here: plots (plots.js), the
// form (tryit.js).
import { Plot } from './plots.js';
import { begin as beginTrying } from './tryit.js';

const SPAN_MS = 5 * 60 * 1000;
const SAMPLES_MAX = 330; // one a second, and some room
const SILENCE_MS = 5000; // then the daemon is not well, though the connection stands
const ORDER = ['http', 'https', 'h3', 'ws', 'wss', 'wt', 'quic', 'tcp', 'tls', 'unix', 'mem'];
const $ = (id) => document.getElementById(id);

// ---- numbers as text ----

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const significant = (n, digits) => Number(n.toPrecision(digits)).toString();

function count(n) {
  if (n < 10000) return whole.format(n);
  if (n < 1e6) return `${significant(n / 1e3, 3)} k`;
  return n < 1e9 ? `${significant(n / 1e6, 3)} M` : `${significant(n / 1e9, 3)} G`;
}

function rate(n) {
  return n > 0 && n < 10 ? significant(n, 2) : count(n);
}

function bytes(n) {
  if (n < 1000) return `${whole.format(n)} B`;
  if (n < 1e6) return `${significant(n / 1e3, 3)} kB`;
  return n < 1e9 ? `${significant(n / 1e6, 3)} MB` : `${significant(n / 1e9, 3)} GB`;
}

function time(us) {
  if (us < 1000) return `${significant(us, 3)} µs`;
  return us < 1e6 ? `${significant(us / 1e3, 3)} ms` : `${significant(us / 1e6, 3)} s`;
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function say(id, text, value) {
  const e = $(id);
  if (e.textContent !== text) e.textContent = text;
  if (value !== undefined) e.dataset.value = value;
}

// ---- the feed ----

let last = null; // the message before
let heard = 0; // when
let samples = [];
let seen = []; // transports that were there
const plots = {};

function status(state, text) {
  const e = $('status');
  if (e.dataset.state === state) return;
  e.dataset.state = state;
  e.querySelector('span').textContent = text;
}

function hello(about) {
  last = null;
  say('version', about.version);
  say('workers', String(about.workers));
  say('listeners', about.listeners.join('  ') || 'nowhere');
  beginTrying(about);
}

const sum = (now, name) => now.transports.reduce((n, t) => n + t[name], 0);

// What a second brought: of all transports together and of each.
function difference(now, before) {
  const seconds = (now.uptime_ms - before.uptime_ms) / 1000;
  const old = new Map(before.transports.map((t) => [t.name, t]));
  const of = (t, name) => Math.max(0, t[name] - (old.get(t.name)?.[name] ?? 0)) / seconds;
  const rates = (name) => Object.fromEntries(now.transports.map((t) => [t.name, of(t, name)]));
  const total = (name) => now.transports.reduce((n, t) => n + of(t, name), 0);
  return {
    at: now.uptime_ms,
    calls: rates('calls'),
    open: Object.fromEntries(now.transports.map((t) => [t.name, t.open])),
    latency: now.latency.count > 0 ? now.latency : null,
    total: {
      calls: total('calls'),
      failed: total('failed'),
      rejected: total('rejected'),
      in: total('bytes_in'),
      out: total('bytes_out'),
    },
  };
}

function take(now) {
  if (last && now.uptime_ms < last.uptime_ms) last = null; // another process
  if (!last) {
    if (samples.length > 0 && samples.at(-1).at > now.uptime_ms) samples = [];
  } else {
    samples.push(difference(now, last));
    samples = samples.filter((s) => now.uptime_ms - s.at <= SPAN_MS).slice(-SAMPLES_MAX);
  }
  last = now;
  heard = performance.now();
  status('live', 'live');
  for (const t of now.transports) if (!seen.includes(t.name)) seen.push(t.name);
  seen.sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  figures(now, samples.at(-1));
  table(now, samples.at(-1));
  if (now.failures.recent) failures(now.failures.recent);
  const kept = now.failures.count > 0 ? `${count(now.failures.count)} so far` : '';
  say('errors-note', now.left_out > 0 ? `${kept}, and ${count(now.left_out)} that came too fast to be kept` : kept);
  if (!document.hidden) draw();
}

function draw() {
  const keys = seen.map((name) => ({ id: name, label: name }));
  // What would be no pixel high is not named.
  const most = Math.max(...samples.map((s) => s.total.calls));
  const shown = (of, least) => keys.filter((k) => samples.some((s) => s[of][k.id] > least));
  plots.calls.show(shown('calls', most / 200), samples.map((s) => ({ at: s.at, values: s.calls })));
  plots.open.show(shown('open', 0), samples.map((s) => ({ at: s.at, values: s.open })));
  plots.latency.show(
    [{ id: 'p99', label: '99 %' }, { id: 'p90', label: '90 %' }, { id: 'p50', label: 'median' }],
    samples.map((s) => ({ at: s.at, values: s.latency ?? {} })),
  );
}

// ---- figures and tables ----

function figures(now, s) {
  say('uptime', duration(now.uptime_ms));
  say('open', count(now.open), now.open);
  say('opened', `${count(sum(now, 'conns'))} since the start`);
  say('calls-total', `${count(sum(now, 'calls'))} since the start`);
  say('errors-total', `${count(sum(now, 'failed'))} of 5xx, ${count(sum(now, 'rejected'))} of 4xx`);
  if (!s) return;
  const l = s.latency;
  say('calls-per-second', rate(s.total.calls), s.total.calls);
  say('p50', l ? time(l.p50) : '–', l?.p50 ?? 0);
  say('p90', l ? `90 % ${time(l.p90)}` : 'no calls', l?.p90 ?? 0);
  say('p99', l ? time(l.p99) : '–', l?.p99 ?? 0);
  say('p999', l ? `99.9 % ${time(l.p999)}` : 'no calls', l?.p999 ?? 0);
  say('errors-per-second', rate(s.total.failed + s.total.rejected), s.total.failed + s.total.rejected);
  $('errors-per-second').classList.toggle('bad', s.total.failed > 0);
  say('bytes-per-second', bytes(s.total.out), s.total.out);
  say('bytes-in', `out; in ${bytes(s.total.in)}`, s.total.in);
}

function row(t, s) {
  const l = t.latency;
  return [
    count(t.open), s ? rate(s.calls[t.name] ?? 0) : '–', count(t.calls), count(t.rejected), count(t.failed),
    bytes(t.bytes_in), bytes(t.bytes_out), l.count > 0 ? time(l.p50) : '–', l.count > 0 ? time(l.p99) : '–',
  ];
}

// Rows stay, and only what changed is written: what is being read or selected keeps its place.
function table(now, s) {
  const body = $('transports').tBodies[0];
  const names = [...now.transports].sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  names.forEach((t, i) => {
    let tr = body.rows[i];
    if (tr?.dataset.transport !== t.name) {
      tr = body.insertRow(i);
      tr.dataset.transport = t.name;
      const th = document.createElement('th');
      const swatch = document.createElement('i');
      th.scope = 'row';
      swatch.className = `swatch k-${t.name}`;
      th.append(swatch, t.name);
      tr.append(th, ...row(t, s).map(() => document.createElement('td')));
    }
    row(t, s).forEach((text, n) => {
      const td = tr.cells[n + 1];
      if (td.textContent !== text) td.textContent = text;
    });
    tr.cells[1].dataset.value = t.open;
    tr.classList.toggle('idle', t.open === 0 && !(s?.calls[t.name] > 0));
  });
  while (body.rows.length > names.length) body.deleteRow(-1);
}

function failures(list) {
  $('no-errors').hidden = list.length > 0;
  $('errors').replaceChildren(
    ...list.map((f) => {
      const li = document.createElement('li');
      const cell = (tag, name, text) => {
        const e = document.createElement(tag);
        e.className = name;
        e.textContent = text;
        li.append(e);
        return e;
      };
      const at = new Date(f.at_ms);
      cell('time', 'at', at.toTimeString().slice(0, 8)).dateTime = at.toISOString();
      cell('b', f.status >= 500 || f.status === 0 ? 'status bad' : 'status', f.status === 0 ? 'conn' : String(f.status));
      cell('span', 'via', f.transport);
      cell('code', 'what', f.status === 0 ? 'connection' : `${f.method} ${f.path}`);
      cell('span', 'why', f.text);
      return li;
    }),
  );
}

// ---- the beginning ----

function chooseTheme() {
  const root = document.documentElement;
  const now = root.dataset.theme ?? 'auto';
  for (const radio of document.querySelectorAll('input[name=theme]')) {
    radio.checked = radio.value === now;
    radio.addEventListener('change', () => {
      if (radio.value === 'auto') delete root.dataset.theme;
      else root.dataset.theme = radio.value;
      try {
        localStorage.setItem('herz-theme', radio.value);
      } catch {
        // Not remembered, then.
      }
    });
  }
}

// The browser comes again by itself, but not after an answer that is no stream: a daemon that starts anew.
function listen() {
  const feed = new EventSource('console/live');
  feed.addEventListener('hello', (e) => hello(JSON.parse(e.data)));
  feed.addEventListener('message', (e) => take(JSON.parse(e.data)));
  feed.addEventListener('error', () => {
    status('lost', 'no connection');
    last = null;
    if (feed.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, 3000);
  });
}

setInterval(() => {
  if ($('status').dataset.state === 'live' && performance.now() - heard > SILENCE_MS) status('silent', 'nothing is heard');
}, 1000);
chooseTheme();
plots.calls = new Plot($('plot-calls'), { whole: true, format: rate });
plots.latency = new Plot($('plot-latency'), { log: true, format: time });
plots.open = new Plot($('plot-open'), { whole: true, format: count });
document.addEventListener('visibilitychange', () => !document.hidden && last && draw());
listen();
