// Reads the wire vectors of tests/golden (its README.md has the format).
import { readFileSync } from 'node:fs';

const folder = new URL('../golden/', import.meta.url);

function bytesOf(text) {
  const out = [];
  const item = /'([^']*)'|([0-9a-fA-F]{2})\*(\d+)|([0-9a-fA-F]{2})|\s+|(.)/g;
  for (const m of text.matchAll(item)) {
    if (m[1] !== undefined) out.push(...Buffer.from(m[1], 'ascii'));
    else if (m[2] !== undefined) out.push(...new Array(Number(m[3])).fill(parseInt(m[2], 16)));
    else if (m[4] !== undefined) out.push(parseInt(m[4], 16));
    else if (m[5] !== undefined) throw new Error(`not bytes: ${text}`);
  }
  return Uint8Array.from(out);
}

// The bytes of one case.
export function vector(file, name) {
  let here = false;
  const parts = [];
  for (const line of readFileSync(new URL(file, folder), 'utf8').split('\n')) {
    if (line.startsWith('case:')) here = line.slice(5).trim() === name;
    else if (here && line.startsWith('hex:')) parts.push(...bytesOf(line.slice(4)));
  }
  if (parts.length === 0) throw new Error(`${file} has no case "${name}"`);
  return Uint8Array.from(parts);
}
