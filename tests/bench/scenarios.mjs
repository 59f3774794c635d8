// What is compared with what: one entry a row of the budgets. `args` follow `herz bench`, with PORT for the
// port of the service. Not here: running them (run.mjs).

const http = (scheme, path) => `${scheme}://127.0.0.1:PORT${path}`;

// The contestant called "plain" is what the others are divided by.
function webSocketEcho(size, conns, budget) {
  const args = (path) => ['req', '--raw', 'echo', '--size', String(size), '-c', String(conns), http('ws', path)];
  return {
    name: `ws echo, ${size} B, ${conns} connection${conns > 1 ? 's' : ''}`,
    budget,
    contestants: [
      { name: 'plain', service: 'plain ws', args: args('/') },
      { name: 'herz', service: 'herz', args: args('/echo') },
    ],
  };
}

// A route with a parameter, and 128 bytes of it both ways: the path has them, for the parameter is what
// comes back. Each peer does its own nearest thing with 128 bytes.
const parameter = 'x'.repeat(112);
function framedCall(conns, inFlight, budget) {
  const shape = ['-c', String(conns), '-m', String(inFlight)];
  const raw = (kind) => ['req', '--raw', kind, '--size', '128', ...shape, http('tcp', '')];
  return {
    name: `call over tcp, 128 B, ${conns} x ${inFlight}`,
    budget,
    contestants: [
      { name: 'plain', service: 'plain tcp', args: raw('echo') },
      { name: 'herz', service: 'herz', args: ['req', '--raw', 'herz', ...shape, http('tcp', `/users/${parameter}`)] },
      { name: 'herz, by its API', service: 'herz', args: ['req', ...shape, http('tcp', `/users/${parameter}`)] },
      { name: 'redis', service: 'redis', args: raw('redis') },
      { name: 'nats', service: 'nats', args: raw('nats') },
    ],
  };
}

function quicCall(conns, inFlight, budget) {
  return {
    name: `call over quic, 128 B, ${conns} x ${inFlight}`,
    budget,
    contestants: [
      { name: 'herz', service: 'herz',
        args: ['req', '-c', String(conns), '-m', String(inFlight), http('quic', `/users/${parameter}`)] },
    ],
  };
}

function handshake(resume, budget) {
  return {
    name: `quic handshake, ${resume ? 'resumed' : 'full'}`,
    budget,
    contestants: [
      { name: 'herz', service: 'herz', args: ['connect', '-c', '8', ...(resume ? ['--resume'] : []), http('quic', '/users/1')] },
    ],
  };
}

// Frames inside messages inside TLS: more than an echo of messages, which no generator here speaks over TLS.
function webSocketTls(size, conns, budget) {
  return {
    name: `call over wss, ${size} B, ${conns} x 1`,
    budget,
    contestants: [
      { name: 'herz', service: 'herz', args: ['req', '-c', String(conns), '--size', String(size), http('wss', '/echo')] },
    ],
  };
}

// One call that takes as long as it takes. `fixed`: not for so many seconds, but just that.
function download(scheme, bytes, budget) {
  return {
    name: `download of ${bytes / 2 ** 20} MiB over ${scheme}`,
    budget,
    contestants: [
      { name: 'herz', service: 'herz', fixed: true,
        args: ['req', '-n', '1', '--timeout', '120', http(scheme, `/bytes/${bytes}`)] },
    ],
  };
}

// Each connection makes one call and is idle then.
function idle(scheme, conns, budget) {
  return {
    name: `idle connection, ${scheme}`,
    budget,
    memory: true,
    contestants: [
      { name: 'herz', service: 'herz', fixed: true, args: ['req', '-c', String(conns), '-n', String(conns), http(scheme, '/users/1')] },
    ],
  };
}

export const scenarios = [
  ...[20, 1024].flatMap((size) => [1, 100, 1000].map((conns) => webSocketEcho(size, conns, '<= 1.05 x plain'))),
  webSocketEcho(16384, 100, '<= 1.05 x plain'),
  webSocketTls(1024, 100, 'echo alone: <= 11 us'),
  framedCall(1, 64, '<= 0.45 us'),
  framedCall(100, 1, '<= 8.2 us'),
  framedCall(100, 16, '<= 0.70 us'),
  framedCall(1, 1, 'p50 <= 33, p99 <= 85 us'),
  quicCall(1, 100, '<= 3.6 us'),
  quicCall(20, 1, '<= 32 us'),
  download('quic', 2 ** 30, '<= 950000 us'),
  handshake(false, '<= 222 us (4500 a CPU-second)'),
  handshake(true, '<= 200 us (5000 a CPU-second)'),
  idle('tcp', 2000, 'memory <= 512 B'),
  idle('ws', 2000, 'memory <= 512 B'),
  idle('tls', 1000, 'memory <= 15 KB'),
  idle('quic', 1000, 'memory <= 33 KiB'),
];
