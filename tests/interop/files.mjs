// A web server for pages of tests: files of one directory, and pages made of a script. Not here: any expectation.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.json': 'application/json' };

/** {origin, pages, close()}: what is put into `pages` (a path to HTML) is served, too. */
export async function serve(directory) {
  const pages = new Map([['/', '<!doctype html><title>page</title>'], ['/favicon.ico', '']]);
  const server = createServer(async (rq, rs) => {
    const path = normalize(decodeURIComponent(new URL(rq.url, 'http://localhost').pathname));
    try {
      const made = pages.get(path);
      const bytes = made ?? (await readFile(join(directory, path)));
      rs.writeHead(200, { 'content-type': made === undefined ? types[extname(path)] ?? 'application/octet-stream' : 'text/html' });
      rs.end(bytes);
    } catch {
      rs.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://localhost:${server.address().port}`, pages, close: () => server.close() };
}
