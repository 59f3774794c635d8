// What is compared with what, and the budgets: one entry a row. Not here: running them (run.mjs, load.mjs), starting what
// is loaded (peers.mjs).
//
// A scenario: name; contestants, each with `service` (peers.mjs), `by` (a function of load.mjs, or micro.mjs for what
// loads nothing) and `args` with PORT and WORK for what is known only then; budget: a list of { of, most | least },
// which the subject (default "herz") is held to. `base`: the contestant that "x" is a multiple of, by `ratio`.
import { deadline, indexMemory, microPath } from './micro.mjs';
import { h2load, herzBench, syscalls, trains } from './load.mjs';

const http = (scheme, path) => `${scheme}://127.0.0.1:PORT${path}`;
const most = (of, limit) => ({ of, most: limit });

// A contestant loaded by herz bench.
const bench = (name, service, args, more) => ({ name, service, by: herzBench, args, ...more });

// The HTTP/3 peers, by a client that is not Herz's either: another protocol and another generator, so the figures
// are for orders of magnitude, and the names say so. `n`: how many requests each gets, for about a second of work.
const h3Peers = (n, args, path) => [
  ['ngtcp2 example (h3, h2load)', 'ngtcp2 example', n[0]],
  ['caddy (h3, h2load)', 'caddy', n[1]],
].map(([name, service, count]) => ({
  name, service, by: h2load,
  args: ['-n', String(count), ...args.map((a) => a.replace('COUNT', String(count))),
    http('https', path).replace('127.0.0.1', 'localhost')],
}));

function webSocketEcho(size, conns) {
  const args = (path) => ['req', '--raw', 'echo', '--size', String(size), '-c', String(conns), http('ws', path)];
  return {
    name: `ws echo, ${size} B, ${conns} connection${conns > 1 ? 's' : ''}`,
    budget: [most('x', 1.05)],
    base: 'plain', ratio: 'server_us',
    contestants: [bench('plain', 'plain ws', args('/')), bench('herz', 'herz', args('/echo'))],
  };
}

// Frames inside messages inside TLS, and a route: more than the budget asks for, which is of an echo of messages. No
// generator here speaks those over TLS.
function webSocketTls(size, conns) {
  return {
    name: `call over wss, ${size} B, ${conns} x 1 (budget: of an echo alone)`,
    budget: [most('server_us', 11)],
    contestants: [bench('herz', 'herz', ['req', '-c', String(conns), '--size', String(size), http('wss', '/echo')])],
  };
}

// A route with a parameter, and 128 bytes of it both ways: the path has them, for the parameter is what
// comes back. Each peer does its own nearest thing with 128 bytes.
const parameter = 'x'.repeat(112);
const herzCall = (shape) => ['req', '--raw', 'herz', ...shape, http('tcp', `/users/${parameter}`)];

function framedCall(conns, inFlight, budget) {
  const shape = ['-c', String(conns), '-m', String(inFlight)];
  const raw = (kind) => ['req', '--raw', kind, '--size', '128', ...shape, http('tcp', '')];
  return {
    name: `call over tcp, 128 B, ${conns} x ${inFlight}`,
    budget,
    base: 'plain', ratio: 'server_us',
    contestants: [
      bench('plain', 'plain tcp', raw('echo')),
      bench('herz', 'herz', herzCall(shape)),
      bench('herz, by its API', 'herz', ['req', ...shape, http('tcp', `/users/${parameter}`)]),
      bench('redis', 'redis', raw('redis')),
      bench('nats', 'nats', raw('nats')),
    ],
  };
}

// Two workers, their generator and nothing else on two cores: wall time would be the generator's. What shows is whether
// a call costs more when two serve: 0.9 of the calls a CPU-second are 1.8 times the calls for twice the CPU.
function twoWorkers() {
  const args = herzCall(['-c', '100', '-m', '16']);
  const free = { cores: { service: '0,1', load: '0,1' } };
  return {
    name: 'two workers against one: calls a CPU-second',
    budget: [{ of: 'x', least: 0.9 }],
    base: 'herz, 1 worker', ratio: 'per_server_cpu_s', subject: 'herz, 2 workers',
    contestants: [bench('herz, 1 worker', 'herz', args, free), bench('herz, 2 workers', 'herz, 2 workers', args, free)],
  };
}

function systemCalls(depth, limit) {
  const args = ['req', '--raw', 'herz', '-n', String(depth * 10000), '-m', String(depth), http('tcp', '/users/1')];
  return {
    name: `system calls a message over tcp, ${depth} in flight`,
    budget: [most('io_calls', limit)],
    once: true,
    contestants: [{ name: 'herz', service: 'herz', by: syscalls, args }],
  };
}

function quicCall(conns, inFlight, peerCounts, limit) {
  return {
    name: `call over quic, 128 B, ${conns} x ${inFlight}`,
    budget: [most('server_us', limit)],
    contestants: [
      bench('herz', 'herz', ['req', '-c', String(conns), '-m', String(inFlight), http('quic', `/users/${parameter}`)]),
      ...h3Peers(peerCounts, ['-c', String(conns), '-m', String(inFlight)], '/b128'),
    ],
  };
}

// A call each, its cost included. h2load cannot keep eight handshakes going, so its connections come at a rate.
function handshake(resume, budget) {
  return {
    name: `quic handshake, ${resume ? 'resumed' : 'full'}`,
    budget,
    contestants: [
      bench('herz', 'herz', ['connect', '-c', '8', ...(resume ? ['--resume'] : []), http('quic', '/users/1')]),
      ...h3Peers([400, 200], [...(resume ? ['--tls-session-file=WORK/session'] : []), '-c', 'COUNT', '-r', '100'], '/b128'),
    ],
  };
}

function download() {
  return {
    name: 'download of 1 GiB over quic, from memory (peers: from a file)',
    budget: [most('server_us', 950000)],
    contestants: [
      bench('herz', 'herz', ['req', '-n', '1', '--timeout', '120', http('quic', `/bytes/${2 ** 30}`)]),
      ...h3Peers([1, 1], [], '/gib'),
    ],
  };
}

// Each connection makes one call and is idle then.
function idle(scheme, conns, limit, others = []) {
  const shape = ['-c', String(conns), '-n', String(conns)];
  return {
    name: `idle connection, ${scheme}`,
    budget: [most('memory_each', limit)],
    memory: true,
    contestants: [
      bench('herz', 'herz', ['req', ...shape, http(scheme, '/users/1')]),
      ...others.map(([name, service, kind]) => bench(name, service, ['req', '--raw', kind, ...shape, http(scheme === 'ws' ? 'ws' : 'tcp', '/')])),
    ],
  };
}

// HTTP/1.1 on connections that are kept, the same generator for both. `n`: so many, where one is long.
function httpAnswer(name, herzPath, nginxPath, conns, n) {
  const args = (path) => ['req', '-c', String(conns), ...(n ? ['-n', String(n), '--timeout', '120'] : []), http('http', path)];
  return {
    name: `http/1.1, ${name}, ${conns} connection${conns > 1 ? 's' : ''}`,
    budget: [most('x', 1.5)],
    base: 'nginx', ratio: 'server_us',
    contestants: [bench('nginx', 'nginx', args(nginxPath)), bench('herz', 'herz, site', args(herzPath))],
  };
}

// One publisher, 1,000 subscribers, `window` events of 128 B on their way; figures are of a delivery. Over TCP and WebSocket
// the same sockets on all sides, for how a peer reads is most of what a lone send costs; where it has to speak more, the API.
const fanShape = (window) => ['-c', '1000', '-m', String(window), '--size', '128'];

function fanOut(window, budget) {
  const raw = (name, service, kind) =>
    bench(name, service, ['sub', '--raw', kind, ...fanShape(window), http('tcp', '')]);
  return {
    name: `fan-out over tcp to 1,000, window ${window}`,
    budget,
    base: 'plain', ratio: 'server_us',
    contestants: [
      raw('plain', 'plain fan', 'echo'), raw('herz', 'herz', 'herz'), raw('redis', 'redis', 'redis'),
      raw('nats', 'nats', 'nats'), raw('mosquitto', 'mosquitto', 'mqtt'),
    ],
  };
}

function fanOutBy(scheme, window, budget) {
  return {
    name: `fan-out over ${scheme} to 1,000, window ${window}`,
    budget,
    base: 'plain, tcp', ratio: 'server_us',
    contestants: [
      bench('plain, tcp', 'plain fan', ['sub', '--raw', 'echo', ...fanShape(window), http('tcp', '')]),
      bench('herz', 'herz', ['sub', ...(scheme === 'ws' ? ['--raw', 'herz'] : []), ...fanShape(window), http(scheme, '/')]),
    ],
  };
}

// --- what loads nothing --------------------------------------------------------------------------------

function path(name, program, path, budget, peer) {
  return {
    name, budget, micro: program,
    contestants: [
      { name: 'herz', by: microPath, args: [program, path] },
      ...(peer ? [{ name: peer[0], by: microPath, args: [program, peer[1]] }] : []),
    ],
  };
}

const ns = (limit) => most('ns', limit);
const ir = (limit) => most('ir', limit);
const paths = [
  path('router, 203 routes, in order', 'bench_router', 'router/fixed', [ns(33)]),
  path('router, 203 routes, at random', 'bench_router', 'router/random', [ns(69)]),
  path('encode a request of 142 B', 'bench_codec', 'codec/encode', [ns(15), ir(300)], ['msgpack-c', 'codec/msgpack-c/encode']),
  path('decode it, validated', 'bench_codec', 'codec/decode', [ns(35), ir(450)], ['msgpack-c', 'codec/msgpack-c/decode']),
  path('wheel at 1 M: insert', 'bench_wheel', 'wheel/insert', [ns(8)]),
  path('wheel at 1 M: re-arm at random', 'bench_wheel', 'wheel/rearm', [ns(68)]),
  path('wheel at 1 M: postpone', 'bench_wheel', 'wheel/postpone', []),
  path('wheel at 1 M: cancel in order', 'bench_wheel', 'wheel/cancel', [ns(16)]),
  path('wheel at 1 M: cancel at random', 'bench_wheel', 'wheel/cancel_random', []),
  path('wheel at 1 M: expire in order', 'bench_wheel', 'wheel/expire', [ns(200)]),
  path('wheel at 1 M: expire at random', 'bench_wheel', 'wheel/expire_mixed', []),
  path('index at 1 M: a topic that a few want', 'bench_index', 'index/few', [ns(1000)]),
  path('index at 1 M: a topic that 10,000 want', 'bench_index', 'index/many', [ns(370000)]),
  path('index at 1 M: a topic that nobody wants', 'bench_index', 'index/nobody', []),
  path('index at 1 M: a subscription comes or goes', 'bench_index', 'index/change', [ns(2000)]),
  path('deadline queue at 1 M: an operation of push and pop', 'bench_timers', 'timers/hold', [ns(125)]),
  path('deadline queue at 1 M: push', 'bench_timers', 'timers/push', []),
  path('deadline queue at 1 M: move', 'bench_timers', 'timers/move', []),
  path('deadline queue at 1 M: cancel', 'bench_timers', 'timers/cancel', []),
  path('udp, 1350 B: one by one', 'bench_udp', 'udp/one', []),
  path('udp, 1350 B: sendmmsg', 'bench_udp', 'udp/sendmmsg', []),
  path('udp, 1350 B: GSO and GRO', 'bench_udp', 'udp/gso', []),
  path('udp, 1350 B: both', 'bench_udp', 'udp/gso_sendmmsg', []),
];

export const scenarios = [
  ...[20, 1024].flatMap((size) => [1, 100, 1000].map((conns) => webSocketEcho(size, conns))),
  webSocketEcho(16384, 100),
  webSocketTls(1024, 100),
  framedCall(1, 64, [most('server_us', 0.45)]),
  framedCall(100, 1, [most('server_us', 8.2)]),
  framedCall(100, 16, [most('server_us', 0.7)]),
  framedCall(1, 1, [most('p50_us', 33), most('p99_us', 85)]),
  systemCalls(1, 2),
  systemCalls(16, 0.13),
  twoWorkers(),
  quicCall(1, 100, [100000, 20000], 3.6),
  quicCall(20, 1, [20000, 8000], 32),
  handshake(false, [{ of: 'per_server_cpu_s', least: 4500 }]),
  handshake(true, [{ of: 'per_server_cpu_s', least: 5000 }]),
  httpAnswer('an answer of 128 B', `/users/${parameter}`, '/small', 50),
  httpAnswer('a file of 1 KiB', '/site/1k', '/1k', 50),
  httpAnswer('a file of 64 KiB', '/site/64k', '/64k', 50),
  httpAnswer('a file of 100 MiB', '/site/100m', '/100m', 1, 20),
  download(),
  {
    name: 'download of 1 GiB over quic, from a file',
    budget: [most('server_us', 1200000)],
    contestants: [bench('herz', 'herz, files', ['req', '-n', '1', '--timeout', '120', http('quic', '/gib')])],
  },
  {
    name: 'udp: packets a send call in a download', budget: [], once: true,
    contestants: [{ name: 'herz', service: 'herz', by: trains,
      args: ['req', '-n', '1', '--timeout', '120', http('quic', `/bytes/${2 ** 28}`)] }],
  },
  fanOut(32, [most('server_us', 0.4)]),
  fanOutBy('ws', 32, [most('server_us', 0.4)]),
  fanOutBy('wss', 32, [most('server_us', 1.5)]),
  fanOutBy('quic', 32, [most('server_us', 5)]),
  fanOutBy('wt', 32, []),
  fanOut(1, [most('x', 1.1)]),
  fanOutBy('ws', 1, [most('x', 1.1)]),
  idle('tcp', 10000, 512, [['plain', 'plain tcp', 'echo'], ['redis', 'redis', 'redis'], ['nats', 'nats', 'nats']]),
  idle('ws', 10000, 512, [['plain', 'plain ws', 'echo']]),
  idle('tls', 1000, 15000),
  idle('quic', 1000, 33 * 1024),
  {
    name: 'a deadline of 300 us', budget: [most('late_p99_us', 100)], once: true,
    contestants: [{ name: 'herz', by: deadline, args: [] }],
  },
  {
    name: 'index at 1 M: memory', budget: [most('index_mb', 86)], once: true,
    contestants: [{ name: 'herz', by: indexMemory, args: [] }],
  },
  ...paths,
];
