// Reads the wire vectors of tests/golden (its README.md has the format).
import { readFileSync } from 'node:fs';

const folder = new URL('../golden/', import.meta.url);

function bytesOf(text) {
  const parts = [];
  const item = /'([^']*)'|((?:[0-9a-fA-F]{2})+)\*(\d+)|((?:[0-9a-fA-F]{2})+)|\s+|(.)/g;
  for (const m of text.matchAll(item)) {
    if (m[1] !== undefined) parts.push(Buffer.from(m[1], 'ascii'));
    else if (m[2] !== undefined) parts.push(Buffer.from(m[2].repeat(Number(m[3])), 'hex'));
    else if (m[4] !== undefined) parts.push(Buffer.from(m[4], 'hex'));
    else if (m[5] !== undefined) throw new Error(`not bytes: ${text}`);
  }
  return Buffer.concat(parts);
}

// All cases of a file: {name, bytes, and of every other key the values in their order}.
export function cases(file) {
  const all = [];
  for (const line of readFileSync(new URL(file, folder), 'utf8').split('\n')) {
    const [, key, value] = line.match(/^([a-z-]+): ?(.*)$/) ?? [];
    if (key === 'case') all.push({ name: value.trim(), parts: [] });
    else if (key === 'hex') all.at(-1).parts.push(bytesOf(value));
    else if (key !== undefined) (all.at(-1)[key] ??= []).push(value);
  }
  return all.map(({ parts, ...c }) => ({ ...c, bytes: Uint8Array.from(Buffer.concat(parts)) }));
}

// The bytes of one case.
export function vector(file, name) {
  const found = cases(file).find((c) => c.name === name);
  if (found === undefined || found.bytes.length === 0) throw new Error(`${file} has no case "${name}"`);
  return found.bytes;
}
