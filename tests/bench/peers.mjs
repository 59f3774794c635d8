// The programs that are loaded: how each is started, how one sees that it is up, and whether it is here. And the
// table of peers, with those whose row has not come yet. Not here: what they are loaded with (scenarios.mjs).
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';

export const onPath = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

// Pinning is what makes a figure one of a core; on a single core it would make one of nothing.
export const pinned = cpus().length >= 2 && onPath('taskset');
export const pin = (cores, argv) => (pinned ? ['taskset', '-c', String(cores), ...argv] : argv);

export function freePort() {
  return new Promise((done) => {
    const s = createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

// Services by name: argv(port); missing(): '' or why it cannot be measured; up: a line of its output, or 'udp' for
// one that says nothing. `work`: a folder that goes at the end.
export function servicesOf(build, work) {
  const herzd = (workers, more = () => []) => ({
    argv: (port) => [join(build, 'herzd'), '--dev', '--log-level', 'off', '--workers', String(workers),
      '--listen', `tcp://127.0.0.1:${port}`, '--listen', `quic://127.0.0.1:${port}`, ...more()],
    up: (line) => line.startsWith('ready in'),
    missing: () => '',
  });
  const plain = (what) => ({
    argv: (port) => [join(build, 'bench/plain_echo'), what, String(port)],
    up: () => true,
    missing: () => '',
  });
  // A session for each subscriber, no delay, no disk.
  const mosquittoConf = (port) => {
    const file = join(work, 'mosquitto.conf');
    writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n` +
      'max_queued_messages 0\n');
    return file;
  };
  const peer = (name) => join(build, 'peers/bin', name);
  const h3Missing = () => {
    if (existsSync(join(build, 'peers/missing'))) return readFileSync(join(build, 'peers/missing'), 'utf8').trim();
    return existsSync(peer('h2load')) ? '' : 'h2load is not built: tests/bench/peers.sh';
  };

  // The same certificate, and the same files, for all that speak HTTP/3.
  const site = () => {
    const www = join(work, 'www'), state = join(work, 'herz');
    if (!existsSync(www)) {
      execFileSync(join(build, 'herzd'), ['cert', 'show'], { stdio: 'ignore' });
      mkdirSync(www);
      writeFileSync(join(www, 'b128'), 'x'.repeat(128));
      for (const [name, size] of [['gib', 2 ** 30], ['1k', 1024], ['64k', 65536], ['100m', 100 * 2 ** 20]]) {
        writeFileSync(join(www, name), '');
        truncateSync(join(www, name), size);
      }
    }
    return { www, cert: join(state, 'dev-cert.pem'), key: join(state, 'dev-key.pem') };
  };
  const caddyfile = (port) => {
    const { www, cert, key } = site(), file = join(work, 'Caddyfile');
    writeFileSync(file, `{\n  admin off\n  auto_https off\n  servers {\n    protocols h1 h2 h3\n  }\n}\n` +
      `https://localhost:${port} {\n  tls ${cert} ${key}\n  root * ${www}\n  file_server\n}\n`);
    return file;
  };

  // One worker, which is the process itself: its CPU time is the process's. What a deployment would turn on is on.
  const nginxConf = (port) => {
    const { www } = site(), dir = join(work, 'nginx'), file = join(work, 'nginx.conf');
    mkdirSync(dir, { recursive: true });
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${dir};`).join(' ');
    writeFileSync(file, `daemon off; master_process off; pid ${dir}/pid; error_log stderr notice;\n` +
      `events { worker_connections 4096; }\nhttp {\n  access_log off; sendfile on; tcp_nopush on; ${temp}\n` +
      `  keepalive_requests 1000000000; default_type application/octet-stream;\n  server {\n` +
      `    listen 127.0.0.1:${port}; root ${www};\n` +
      `    location = /small { default_type text/plain; return 200 "${'x'.repeat(128)}"; }\n  }\n}\n`);
    return file;
  };

  return {
    herz: herzd(1),
    'herz, site': herzd(1, () => ['--files', `/site=${site().www}`]),
    nginx: {
      argv: (port) => ['nginx', '-p', work, '-e', 'stderr', '-c', nginxConf(port)],
      up: (line) => line.includes('start worker process') || line.includes('using the "epoll"'),
      missing: () => (onPath('nginx') ? '' : 'not installed: nginx'),
    },
    'herz, 2 workers': herzd(2),
    'herz, files': {
      argv: (port) => [join(build, 'bench/plain_files'), site().www, String(port), site().cert, site().key],
      up: 'udp',
      missing: () => '',
    },
    'plain tcp': plain('tcp'),
    'plain ws': plain('ws'),
    'plain fan': plain('fan'),
    redis: {
      argv: (port) => ['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no',
        '--dir', work],
      up: (line) => line.includes('Ready to accept connections'),
      missing: () => (onPath('redis-server') ? '' : 'not installed: redis-server'),
    },
    nats: {
      argv: (port) => ['nats-server', '-a', '127.0.0.1', '-p', String(port)],
      up: (line) => line.includes('Server is ready'),
      missing: () => (onPath('nats-server') ? '' : 'not installed: nats-server'),
    },
    mosquitto: {
      argv: (port) => ['mosquitto', '-c', mosquittoConf(port)],
      up: (line) => line.includes(' running'),
      missing: () => (onPath('mosquitto') ? '' : 'not installed: mosquitto'),
    },
    'ngtcp2 example': {
      argv: (port) => [peer('wsslserver'), '-q', '-d', site().www, '127.0.0.1', String(port), site().key, site().cert],
      up: 'udp',
      missing: h3Missing,
    },
    caddy: {
      argv: (port) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', caddyfile(port)],
      up: 'udp',
      missing: () => (onPath('caddy') ? h3Missing() : 'not installed: caddy'),
      env: { HOME: work, XDG_DATA_HOME: work, XDG_CONFIG_HOME: work },
    },
  };
}

// Which peer belongs to which rows, and what is missing where it is in none.
export const peers = [
  { name: 'plain', service: 'plain tcp', rows: 'WebSocket echo, calls over TCP, fan-out: what the same bytes cost unread' },
  { name: 'redis', service: 'redis', rows: 'calls and fan-out over TCP' },
  { name: 'nats', service: 'nats', rows: 'calls and fan-out over TCP' },
  { name: 'ngtcp2 example', service: 'ngtcp2 example', rows: 'QUIC: calls, handshakes, download' },
  { name: 'caddy', service: 'caddy', rows: 'QUIC: calls, handshakes, download' },
  { name: 'msgpack-c', rows: 'codec' },
  { name: 'nginx', service: 'nginx', rows: 'HTTP/1.1: small answers, files' },
  { name: 'mosquitto', service: 'mosquitto', rows: 'fan-out over TCP' },
];

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const udpBound = (port) => ['udp', 'udp6'].some((table) =>
  readFileSync(`/proc/net/${table}`, 'utf8').includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} `));

// Starts one; answers its process once it takes connections. What it prints goes to a file: a pipe that nobody reads
// while a generator runs would stop it.
export function startService(service, name, port, cores, work) {
  const argv = pin(cores, service.argv(port)), file = join(work, 'output');
  const fd = openSync(file, 'w');
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', fd, fd], env: { ...process.env, ...service.env } });
  closeSync(fd);
  running.add(child);
  const output = () => readFileSync(file, 'utf8');
  const isUp = () => (service.up === 'udp' ? udpBound(port) : output().split('\n').slice(0, -1).some(service.up));
  return new Promise((done, failed) => {
    const end = (settle, what) => {
      clearTimeout(late);
      clearInterval(looking);
      settle(what);
    };
    const looking = setInterval(() => isUp() && end(done, child), 10);
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      end(failed, new Error(`${name} did not come up:\n${output().slice(-2000)}`));
    }, 20000);
    child.on('error', (e) => end(failed, e));
    child.on('exit', (code) => end(failed, new Error(`${name} ended with ${code}:\n${output().slice(-2000)}`)));
  });
}

export function stopService(child) {
  return new Promise((done) => {
    const hard = setTimeout(() => child.kill('SIGKILL'), 3000);
    child.removeAllListeners('exit');
    child.on('exit', () => {
      clearTimeout(hard);
      running.delete(child);
      done();
    });
    if (child.exitCode !== null || child.signalCode !== null) child.emit('exit');
    child.kill('SIGTERM');
  });
}
