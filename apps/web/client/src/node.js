// What Node imports: the same client, with a WebSocket for those versions of Node that have none, and certHashes for
// it. Not here: anything browsers need.
import { connect as connectWith } from './client.js';

export { HerzError } from './errors.js';
export { Ext } from './msgpack.js';

async function findWs() {
  try {
    return (await import('ws')).WebSocket;
  } catch {
    return undefined;
  }
}

// `ws` takes options for TLS, which the platform's WebSocket does not.
function opener(Ws, options) {
  return (url, protocol, hashes) => {
    const pin = hashes.length > 0 && url.startsWith('wss:') ? new Pin(hashes) : undefined;
    const socket = new Ws(url, protocol, { perMessageDeflate: false, ...pin?.options, ...options.webSocketOptions });
    pin?.guard(socket);
    return socket;
  };
}

// A certificate is compared before the request is sent that asks for a WebSocket, and long before the token is.
class Pin {
  constructor(hashes) {
    this.known = new Set(hashes.map((h) => Buffer.from(h).toString('hex')));
    this.compared = false;
    this.options = { rejectUnauthorized: false, finishRequest: (request) => this.compare(request) };
  }

  compare(request) {
    request.on('socket', (socket) => socket.once('secureConnect', () => {
      const print = socket.getPeerX509Certificate().fingerprint256.replaceAll(':', '').toLowerCase();
      this.compared = this.known.has(print);
      if (this.compared) request.end();
      else socket.destroy(new Error(`the certificate's SHA-256 is ${print}, which is none of certHashes`));
    }));
  }

  // A `ws` that does not know finishRequest (before 8.13) has checked nothing.
  guard(socket) {
    if (typeof socket.once !== 'function') throw new TypeError('certHashes need the package "ws"');
    socket.once('open', () => this.compared || socket.terminate());
  }
}

/** As in browsers; options.WebSocket: a constructor to use, options.webSocketOptions: what `ws` takes. */
export async function connect(url, options = {}) {
  if (options.WebSocket !== undefined) {
    return connectWith(url, options.webSocketOptions === undefined && options.certHashes === undefined ? options
      : { ...options, openSocket: opener(options.WebSocket, options) });
  }
  const special = options.certHashes !== undefined || options.webSocketOptions !== undefined;
  const Ws = special || globalThis.WebSocket === undefined ? await findWs() : undefined;
  if (Ws === undefined && (special || globalThis.WebSocket === undefined)) {
    throw new TypeError(special ? 'certHashes and webSocketOptions need the package "ws": npm install ws'
      : 'this version of Node has no WebSocket: npm install ws, or hand one in as options.WebSocket');
  }
  return connectWith(url, Ws === undefined ? options : { ...options, openSocket: opener(Ws, options) });
}
