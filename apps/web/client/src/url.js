// Where to connect, out of what a caller wrote. Not here: connecting.

const schemes = {
  'https:': { web: 'https:', ws: 'wss:', transports: ['webtransport', 'websocket'] },
  'http:': { ws: 'ws:', transports: ['websocket'] },
  'wss:': { ws: 'wss:', transports: ['websocket'] },
  'ws:': { ws: 'ws:', transports: ['websocket'] },
  'wt:': { web: 'https:', transports: ['webtransport'] },
};

const PATH = '/herz';

/** {name, key, transports, webtransport, websocket}: what to try, in order, and its URLs. `key` stands for the server.
 * Throws a TypeError. */
export function placeOf(url, allowed) {
  const text = String(url);
  const scheme = schemes[text.slice(0, text.indexOf(':') + 1).toLowerCase()];
  if (scheme === undefined) {
    throw new TypeError(`${text}: begin with https:, http:, wss:, ws: or wt:`);
  }
  // Only special schemes are parsed as one expects: a port that is the default, a host in lower case.
  const at = new URL(text.replace(/^[^:]*/, 'https'));
  if (at.username !== '' || at.password !== '') throw new TypeError(`${text}: give credentials as "token"`);
  const host = hostOf(at, text, scheme);
  const path = (at.pathname === '/' ? PATH : at.pathname) + at.search;
  const transports = scheme.transports.filter((t) => allowed === undefined || allowed.includes(t));
  for (const t of allowed ?? []) {
    if (t !== 'webtransport' && t !== 'websocket') throw new TypeError(`transports: there is no "${t}"`);
  }
  if (transports.length === 0) throw new TypeError(`${text}: none of the transports asked for goes there`);
  return {
    name: text,
    key: host,
    transports,
    webtransport: scheme.web && `${scheme.web}//${host}${path}`,
    websocket: scheme.ws && `${scheme.ws}//${host}${path}`,
  };
}

// Parsed as https, port 443 is gone and 80 is not: of plain schemes it is the other way.
function hostOf(at, text, scheme) {
  if (scheme.ws !== 'ws:') return at.host;
  const plain = new URL(text.replace(/^[^:]*/, 'http'));
  return plain.host;
}

/** A SHA-256 in hexadecimal (colons allowed) or base64, or its 32 bytes. */
export function hashOf(text) {
  if (typeof text !== 'string') {
    const bytes = new Uint8Array(text.buffer ?? text, text.byteOffset ?? 0, text.byteLength);
    if (bytes.length === 32) return bytes;
    throw new TypeError(`certHashes: ${bytes.length} bytes; a SHA-256 has 32`);
  }
  const bare = text.replace(/^sha-?256[ /:]\s*/i, '').trim();
  const hex = bare.replaceAll(':', '');
  if (/^[0-9a-f]{64}$/i.test(hex)) return Uint8Array.from(hex.match(/../g), (h) => parseInt(h, 16));
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(bare)) {
    return Uint8Array.from(atob(bare.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  }
  throw new TypeError(`certHashes: "${text}" is no SHA-256 in hexadecimal or base64`);
}
