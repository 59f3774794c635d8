// The form that calls a route, and what went over the wire for it. Over WebSocket and WebTransport it speaks
// herz/1 by itself (frames.js); over HTTP the browser does the talking.
import { Cutter, KIND, Pairs, dump, encode, plain, show, title } from './frames.js';

const FRAMES_MAX = 100; // that are shown
const CONTENT_MAX = 4 << 20; // of an answer, then it is given up
const SHOWN_MAX = 64 << 10;
const PATIENCE_MS = 70000; // a little more than the daemon has
const $ = (id) => document.getElementById(id);

let about = null;
let running = null; // AbortController

// ---- what is seen ----

class Log {
  constructor() {
    this.list = $('frames');
    this.list.replaceChildren();
    this.begun = performance.now();
    this.connected = null; // when; null: nothing is known of it
    this.shown = 0;
  }

  timing() {
    const ms = (from, to) => (to - from).toFixed(1);
    const now = performance.now();
    if (this.connected === null) return `${ms(this.begun, now)} ms`;
    return `${ms(this.connected, now)} ms, connected in ${ms(this.begun, this.connected)} ms`;
  }

  // `way`: "out" or "in"; `bytes`: what went over the wire, null when the browser keeps that to itself.
  add(way, text, bytes, detail) {
    if (++this.shown > FRAMES_MAX) return;
    const li = document.createElement('li');
    const more = document.createElement('details');
    const head = document.createElement('summary');
    const pre = document.createElement('pre');
    const words = document.createElement('span');
    const note = document.createElement('small');
    li.className = way;
    words.textContent = text;
    const ms = (performance.now() - this.begun).toFixed(1);
    note.textContent = bytes ? `${bytes.length} bytes, ${ms} ms` : `${ms} ms`;
    head.append(words, note);
    pre.textContent = detail ?? dump(bytes, matchMedia('(max-width: 560px)').matches ? 8 : 16);
    more.open = this.shown <= 6;
    more.append(head, pre);
    li.append(more);
    this.list.append(li);
    if (this.shown === FRAMES_MAX) {
      const rest = document.createElement('li');
      rest.textContent = 'what follows is not shown';
      this.list.append(rest);
    }
  }
}

function outcome(text, bad) {
  $('outcome').textContent = text;
  $('outcome').classList.toggle('bad', Boolean(bad));
}

function answer(text) {
  $('answer').hidden = text === '';
  $('answer').textContent = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}\n… cut here` : text;
}

const isText = (bytes) => !bytes.subarray(0, 4096).some((b) => b < 9 || (b > 13 && b < 32));
const asText = (bytes) => (isText(bytes) ? new TextDecoder().decode(bytes) : dump(bytes, 16, SHOWN_MAX / 4));

function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of pieces) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

// ---- calls ----

const secure = () => location.protocol === 'https:';
const own = () => [about.tcp, about.udp].includes(location.host);

function targetOf(over) {
  if (over === 'wt') return about.udp && `https://${about.udp}/herz`;
  if (over === 'http' && own()) return location.origin;
  if (!about.tcp) return '';
  return over === 'ws' ? `${secure() ? 'wss' : 'ws'}://${about.tcp}/herz` : `${secure() ? 'https' : 'http'}://${about.tcp}`;
}

// A call over frames: what comes in is fed to it, what it wants to say goes through `send`. `credit`: whether
// content needs leave (one stream for all calls) or not (a stream a call).
class Call {
  constructor(log, send, credit) {
    this.log = log;
    this.send = send;
    this.credit = credit;
    this.cutter = new Cutter();
    this.content = [];
    this.size = 0;
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.done.catch(() => {}); // it is waited for later
  }

  say(body) {
    const bytes = encode(body);
    this.log.add('out', title(body), bytes);
    this.send(bytes);
  }

  feed(bytes) {
    try {
      for (const frame of this.cutter.feed(bytes)) this.frame(frame);
    } catch (e) {
      this.reject(e);
    }
  }

  frame({ bytes, body }) {
    const [kind, id, third, headers, value] = body;
    this.log.add('in', title(body), bytes);
    if (kind === KIND.ERROR) this.reject(new Error(`ERROR ${third}: ${body[3]}`));
    if (id !== 1) return;
    if (kind === KIND.RES) {
      this.status = third;
      this.headers = headers;
      if (body.length === 5) this.resolve({ status: third, headers, value });
    } else if (kind === KIND.DATA) {
      this.piece(third);
    } else if (kind === KIND.END) {
      this.over();
    } else if (kind === KIND.CANCEL) {
      this.reject(new Error(`broken off: CANCEL ${third}`));
    }
  }

  piece(data) {
    this.content.push(data);
    this.size += data.length;
    if (this.size > CONTENT_MAX) {
      this.say([KIND.CANCEL, 1, 0]);
      this.over('given up here: enough was seen');
    } else if (this.credit) {
      this.say([KIND.CREDIT, 1, data.length]);
    }
  }

  over(note) {
    this.resolve({ status: this.status, headers: this.headers, value: joined(this.content), note });
  }
}

const request = (f) => [KIND.REQ, 1, f.method, f.path, new Pairs([]), f.body === '' ? null : f.body];

async function overWebSocket(f, log, signal) {
  const socket = new WebSocket(targetOf('ws'), 'herz.v1');
  socket.binaryType = 'arraybuffer';
  const call = new Call(log, (bytes) => socket.send(bytes), true);
  socket.onopen = () => {
    log.connected = performance.now();
    call.say(request(f));
  };
  socket.onmessage = (e) => call.feed(new Uint8Array(e.data));
  socket.onclose = (e) => {
    const silent = e.code === 1006;
    call.reject(new Error(silent ? 'the connection was refused or broken off' : `closed: ${e.code} ${e.reason}`));
  };
  signal.addEventListener('abort', () => call.reject(signal.reason));
  try {
    return await call.done;
  } finally {
    socket.close();
  }
}

function hashes(text) {
  if (text === '') return undefined;
  const value = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (value.length !== 32) throw new Error('the certificate: 32 bytes in base64 make a SHA-256');
  return [{ algorithm: 'sha-256', value }];
}

async function overWebTransport(f, log, signal) {
  if (!('WebTransport' in window)) {
    throw new Error(
      isSecureContext ? 'this browser has no WebTransport' : 'WebTransport needs a secure context: https, or localhost',
    );
  }
  const session = new WebTransport(targetOf('wt'), { serverCertificateHashes: hashes(f.hash) });
  const gone = (e) => Promise.reject(e instanceof Error ? e : new Error('the session has ended'));
  const ended = session.closed.then(gone, gone);
  ended.catch(() => {});
  const aborted = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const within = (promise) => Promise.race([promise, ended, aborted]);
  try {
    await within(session.ready);
    log.connected = performance.now();
    const stream = await within(session.createBidirectionalStream());
    const writer = stream.writable.getWriter();
    const call = new Call(log, (bytes) => writer.write(bytes).catch(() => {}), false);
    call.say(request(f));
    writer.close().catch(() => {}); // the request is whole: FIN
    const reading = (async () => {
      const reader = stream.readable.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        call.feed(value);
      }
      if (call.status !== undefined) call.over(); // FIN stands for END
      call.reject(new Error('the stream ended without an answer'));
    })();
    reading.catch((e) => call.reject(e));
    return await within(call.done);
  } finally {
    session.close();
  }
}

async function content(response) {
  const reader = response.body?.getReader();
  const pieces = [];
  let size = 0;
  for (; reader; ) {
    const { value, done } = await reader.read();
    if (done) break;
    pieces.push(value);
    size += value.length;
    if (size > CONTENT_MAX) {
      reader.cancel();
      return { value: joined(pieces), note: 'given up here: enough was seen' };
    }
  }
  return { value: joined(pieces) };
}

async function overHttp(f, log, signal) {
  const url = new URL(f.path, targetOf('http'));
  const body = f.body === '' ? undefined : f.body;
  const asked = [`${f.method} ${url.pathname}${url.search}`, `host: ${url.host}`, ...(body ? ['', body] : [])];
  log.add('out', `${f.method} ${f.path}`, null, asked.join('\n'));
  const response = await fetch(url, { method: f.method, body, signal, cache: 'no-store', credentials: 'omit' });
  const headers = [...response.headers];
  const got = await content(response);
  const timing = performance.getEntriesByName(url.href).at(-1);
  const said = `${response.status} ${response.statusText}`;
  const head = [`${timing?.nextHopProtocol || 'HTTP'} ${said}`, ...headers.map(([k, v]) => `${k}: ${v}`)];
  log.add('in', said, null, head.join('\n'));
  if (got.value.length > 0) log.add('in', 'content', got.value);
  return { status: response.status, headers: new Pairs(headers), ...got };
}

// ---- the form ----

function readable(value) {
  if (value === null || value === undefined) return '';
  if (value instanceof Uint8Array) return asText(value);
  return typeof value === 'string' ? value : JSON.stringify(plain(value), null, 2);
}

function sizeOf(value) {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value === null ? 'no content' : show(value).slice(0, 60);
}

async function send() {
  const over = $('over').value;
  const f = {
    method: $('method').value.trim().toUpperCase(),
    path: $('path').value,
    body: $('body').value,
    hash: $('hash').value.trim(),
  };
  const log = new Log();
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error('no answer came in time')), PATIENCE_MS);
  running = abort;
  $('stop').hidden = false;
  outcome('under way …');
  answer('');
  try {
    if (!targetOf(over)) throw new Error(`the daemon does not listen for ${over === 'wt' ? 'QUIC' : 'TCP'}`);
    const r = await { http: overHttp, ws: overWebSocket, wt: overWebTransport }[over](f, log, abort.signal);
    const timing = log.timing();
    outcome(`${r.status} in ${timing}; ${sizeOf(r.value)}${r.note ? `; ${r.note}` : ''}`, r.status >= 400);
    answer(readable(r.value));
  } catch (e) {
    outcome(e?.message || String(e), true);
  } finally {
    clearTimeout(timer);
    if (running === abort) running = null;
    $('stop').hidden = running === null;
  }
}

function changed() {
  const over = $('over').value;
  $('hash-label').hidden = over !== 'wt';
  $('target').textContent = targetOf(over) || 'no such listener';
}

// The daemon has said what it is: on each connection of the feed.
export function begin(said) {
  const first = about === null;
  about = said;
  if (first || $('hash').value === $('hash').dataset.given) $('hash').value = said.cert?.sha256 ?? '';
  $('hash').dataset.given = said.cert?.sha256 ?? '';
  changed();
  if (!first) return;
  $('over').addEventListener('change', changed);
  $('stop').addEventListener('click', () => running?.abort(new Error('stopped')));
  $('form').addEventListener('submit', (e) => {
    e.preventDefault();
    running?.abort(new Error('another one was sent'));
    send();
  });
  $('body').addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) $('form').requestSubmit();
  });
}
