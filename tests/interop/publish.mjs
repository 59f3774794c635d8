// Events that the program herz publishes over tcp. Not here: any expectation.
import { spawn } from 'node:child_process';

/** The numbers from 0 to n - 1, an event each. Resolves when the program has ended well. */
export function lines(herz, port, topic, n) {
  const program = spawn(herz, ['pub', '--lines', topic, '@-', `tcp://127.0.0.1:${port}`], { stdio: ['pipe', 'ignore', 'inherit'] });
  program.stdin.end(Array.from({ length: n }, (_, i) => `${i}\n`).join(''));
  return new Promise((resolve, reject) => {
    program.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`herz pub: exit code ${code}`))));
  });
}
