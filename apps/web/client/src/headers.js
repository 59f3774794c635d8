// Header lists: text to text, in order, a name more than once. Not here: their bytes (envelope.js).
import { isHeaderName, isHeaderValue } from './envelope.js';

/** What came with an answer. Unlike the platform's Headers it keeps the order, and takes every name that the
 * protocol allows. */
export class HeaderList {
  #pairs;

  constructor(pairs) {
    this.#pairs = pairs;
  }

  /** The value of this name, whatever the case; several are joined with ", ". Null: none. */
  get(name) {
    const all = this.getAll(name);
    return all.length === 0 ? null : all.join(', ');
  }

  getAll(name) {
    const wanted = name.toLowerCase();
    return this.#pairs.filter(([n]) => n.toLowerCase() === wanted).map(([, v]) => v);
  }

  has(name) {
    return this.getAll(name).length > 0;
  }

  get size() {
    return this.#pairs.length;
  }

  [Symbol.iterator]() {
    return this.#pairs.map((p) => [...p])[Symbol.iterator]();
  }

  toJSON() {
    return Object.fromEntries(this.#pairs.map(([n]) => [n.toLowerCase(), this.get(n)]));
  }
}

/** Pairs out of an object, a Headers, a Map or a list of pairs. Throws a TypeError that names the header. */
export function headerPairs(...sources) {
  const out = [];
  for (const source of sources) {
    if (source === undefined || source === null) continue;
    const entries = typeof source[Symbol.iterator] === 'function' ? source : Object.entries(source);
    for (const [name, value] of entries) {
      for (const v of Array.isArray(value) ? value : [value]) out.push(checked(name, v));
    }
  }
  return out;
}

function checked(name, value) {
  const n = String(name).toLowerCase(), v = String(value);
  if (!isHeaderName(n)) throw new TypeError(`"${n}" cannot be the name of a header`);
  if (!isHeaderValue(v)) throw new TypeError(`the value of header ${n} has a control character in it`);
  return [n, v];
}
