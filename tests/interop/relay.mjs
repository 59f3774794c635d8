// A way to the daemon that can be cut. Not here: any expectation.
import net from 'node:net';

/** Bytes go through until one of these is called, which all concern the connections that there are:
 * - cut(): they end, in the middle of whatever they carry;
 * - mute(): what the daemon says on them is lost from here on;
 * - silence(): nothing goes through any more, either way, and they look alive. */
export async function relay(port) {
  const pairs = new Set();
  const server = net.createServer((a) => {
    const b = net.connect(Number(port), '127.0.0.1');
    const pair = [a, b];
    pairs.add(pair);
    for (const [from, to] of [pair, [b, a]]) {
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => (to.destroy(), pairs.delete(pair)));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const swallow = (from) => (from.unpipe(), from.resume());
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      for (const [a, b] of pairs) {
        a.resetAndDestroy?.();
        b.destroy();
      }
    },
    mute() {
      for (const [, b] of pairs) swallow(b);
    },
    silence() {
      for (const pair of pairs) pair.forEach(swallow);
    },
    close: () => server.close(),
  };
}
