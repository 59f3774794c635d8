// One attempt to connect: transports race, the first that is ready wins. Not here: when the next attempt is due
// (client.js).
import { HerzError } from './errors.js';

// WebTransport's start before WebSocket's. RFC 8305, 8 gives 250 ms for the same question between addresses: longer
// than the round trips of a handshake within a continent, short enough that nobody notices when UDP is blocked.
export const HEAD_START_MS = 250;
export const FORGET_MS = 300_000;
export const TURN_MS = 2000; // of who has said HELLO, when another could

/** Which transports of which server did not come up, for a while. One for the page. */
export class Memory {
  constructor() {
    this.until = new Map();
  }

  failed(key, now) {
    this.until.delete(key);
    this.until.set(key, now + FORGET_MS);
    if (this.until.size > 100) this.until.delete(this.until.keys().next().value);
  }

  worked(key) {
    this.until.delete(key);
  }

  remembers(key, now) {
    return (this.until.get(key) ?? 0) > now;
  }
}

/** Resolves with a session that is ready. place: of placeOf(), its transports cut to those that are there.
 * make(transport, greet) begins one: a Session, whose HELLO may wait until greet() lets it. Rejects with a HerzError: unreachable, or denied. */
export function race({ place, make, env, memory, headStartMs = HEAD_START_MS, timeoutMs }) {
  const keyOf = (t) => `${t} ${place.key}`;
  const doubtful = (t) => memory.remembers(keyOf(t), env.now());
  // What failed of late is tried last, and only when the others have failed.
  const order = [...place.transports.filter((t) => !doubtful(t)), ...place.transports.filter(doubtful)];

  return new Promise((resolve, reject) => {
    const running = new Map(); // transport to session
    const errors = [], broken = [];
    const line = []; // transports that are open, and their say(): the first has been called
    let next = 0, timer, turn, over = false;

    const settle = (finish) => {
      over = true;
      for (const t of [timer, turn, deadline]) env.clearTimeout(t);
      for (const session of running.values()) session.close(0, '');
      finish();
    };
    const unreachable = (why) => {
      const cause = errors.length > 1 ? new AggregateError(errors, errors.map((e) => e.message).join('; ')) : errors[0];
      const details = errors.map((e) => e.message).join('; ');
      return new HerzError('unreachable', `${place.name}: ${why}${details ? ` (${details})` : ''}`, { cause });
    };
    const won = (transport, session) => {
      if (over) return;
      running.delete(transport);
      // The server is there, so what failed, and what was begun earlier and is not ready, does not get through. (When
      // nothing gets through, that says nothing about a transport.)
      for (const t of [...broken, ...running.keys()]) {
        if (order.indexOf(t) < order.indexOf(transport)) memory.failed(keyOf(t), env.now());
      }
      memory.worked(keyOf(transport));
      settle(() => resolve(session));
    };
    // The service gives a session to whoever shows its token last: one at a time does.
    const greet = (transport, say) => {
      if (over) return;
      if (line.push({ transport, say }) === 1) say();
      else turn = env.setTimeout(() => running.get(line[0].transport)?.close(0, ''), TURN_MS);
    };
    const lost = (transport, error) => {
      running.delete(transport);
      if (over) return undefined;
      const at = line.findIndex((one) => one.transport === transport);
      if (at >= 0) line.splice(at, 1);
      if (at === 0) line[0]?.say();
      errors.push(error);
      if (error.code === 'denied') return settle(() => reject(error));
      broken.push(transport);
      if (next < order.length) return start();
      if (running.size === 0) settle(() => reject(unreachable('no connection')));
      return undefined;
    };
    const start = () => {
      env.clearTimeout(timer);
      const transport = order[next++];
      let session;
      try {
        session = make(transport, (say) => greet(transport, say));
      } catch (cause) {
        return lost(transport, new HerzError('unreachable', `${transport}: ${cause.message}`, { cause }));
      }
      running.set(transport, session);
      session.ready.then(() => won(transport, session), (error) => lost(transport, error));
      if (next < order.length && !doubtful(order[next])) timer = env.setTimeout(start, headStartMs);
      return undefined;
    };
    const deadline = env.setTimeout(
      () => settle(() => reject(unreachable(`no connection within ${timeoutMs} ms`))), timeoutMs);
    start();
  });
}
