// Plots over time as SVG: lines on a logarithmic axis, or areas that stand on each other. Axes have units; a
// moment is looked at by pointer or arrow keys. Not here: where the numbers come from (console.js).

const NS = 'http://www.w3.org/2000/svg';
const MARGIN = { top: 10, right: 18, bottom: 22, left: 54 };
const SPANS_MIN = [1, 2, 5]; // the shortest that holds all there is

function node(name, attributes, ...inside) {
  const e = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...inside);
  return e;
}

// 1, 2, 2.5 or 5 times a power of ten: at most `count` steps up to `max`.
function niceStep(max, count) {
  const raw = max / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return (power < 10 ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10]).map((m) => m * power).find((s) => s >= raw);
}

function linear(max, whole) {
  const step = Math.max(niceStep(Math.max(max, whole ? 4 : 1e-9) * 1.02, 5), whole ? 1 : 0);
  const top = Math.ceil((Math.max(max, step) * 1.02) / step) * step;
  const ticks = [];
  for (let v = 0; v <= top + step / 2; v += step) ticks.push(v);
  return { place: (v) => v / top, ticks };
}

function logarithmic(low, high) {
  const from = Math.floor(Math.log10(low));
  const to = Math.max(Math.ceil(Math.log10(high)), from + 1);
  const ticks = [];
  for (let e = from; e <= to; e++) {
    ticks.push(10 ** e);
    if (to - from <= 2 && e < to) ticks.push(2 * 10 ** e, 5 * 10 ** e);
  }
  return { place: (v) => (Math.log10(v) - from) / (to - from), ticks };
}

export class Plot {
  // `options`: log; whole (numbers without fraction); format(v).
  constructor(figure, options) {
    this.options = options;
    this.svg = node('svg', { class: 'plot', role: 'img', tabindex: '0' });
    this.readout = document.createElement('output');
    this.readout.className = 'readout';
    figure.querySelector('.canvas').append(this.svg, this.readout);
    this.legend = figure.querySelector('.legend');
    this.name = figure.querySelector('h3').textContent;
    this.keys = [];
    this.samples = [];
    this.chosen = null; // index into samples that is looked at
    new ResizeObserver(() => this.draw()).observe(this.svg);
    this.svg.addEventListener('pointermove', (e) => this.look(this.nearest(e.offsetX)));
    this.svg.addEventListener('pointerleave', () => this.look(null));
    this.svg.addEventListener('blur', () => this.look(null));
    this.svg.addEventListener('keydown', (e) => this.key(e));
    this.say();
  }

  // `keys`: [{ id, label }] in drawing order; `samples`: [{ at, values: { id: number or null } }], oldest first.
  show(keys, samples) {
    this.keys = keys;
    this.samples = samples;
    if (this.chosen !== null && this.chosen >= samples.length) this.chosen = null;
    this.draw();
  }

  nearest(x) {
    if (this.samples.length === 0) return null;
    let best = 0;
    this.samples.forEach((s, i) => {
      if (Math.abs(this.x(s.at) - x) < Math.abs(this.x(this.samples[best].at) - x)) best = i;
    });
    return best;
  }

  look(i) {
    if (i === this.chosen) return;
    this.chosen = i;
    this.draw();
  }

  key(e) {
    const last = this.samples.length - 1;
    const now = this.chosen ?? last;
    const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, Escape: null }[e.key];
    if (to === undefined || last < 0) return;
    e.preventDefault();
    this.look(to === null ? null : Math.min(Math.max(to, 0), last));
  }

  x(at) {
    const end = this.samples.at(-1)?.at ?? 0;
    return MARGIN.left + (1 - (end - at) / (this.minutes * 60000)) * (this.width - MARGIN.left - MARGIN.right);
  }

  y(share) {
    return this.height - MARGIN.bottom - share * (this.height - MARGIN.top - MARGIN.bottom);
  }

  scale() {
    const { log, whole } = this.options;
    const all = this.samples.map((s) => this.keys.map((k) => s.values[k.id]).filter((v) => v > 0));
    if (!log) return linear(Math.max(0, ...all.map((vs) => vs.reduce((a, b) => a + b, 0))), whole);
    const flat = all.flat();
    return flat.length === 0 ? logarithmic(10, 1000) : logarithmic(Math.min(...flat), Math.max(...flat));
  }

  draw() {
    this.width = this.svg.clientWidth;
    this.height = this.svg.clientHeight;
    if (this.width < 80) return;
    this.svg.setAttribute('viewBox', `0 0 ${this.width} ${this.height}`);
    const length = this.samples.length > 0 ? this.samples.at(-1).at - this.samples[0].at : 0;
    this.minutes = SPANS_MIN.find((m) => length <= m * 60000) ?? SPANS_MIN.at(-1);
    const scale = this.scale();
    const marks = this.options.log ? this.lines(scale) : this.areas(scale);
    this.svg.replaceChildren(...this.grid(scale), ...marks, ...this.crosshair());
    this.say();
  }

  grid(scale) {
    const out = [];
    const right = this.width - MARGIN.right;
    const text = (x, y, anchor, words) => node('text', { class: 'tick', x, y, 'text-anchor': anchor, dy: '0.32em' }, words);
    for (const v of scale.ticks) {
      const y = this.y(scale.place(v)).toFixed(1);
      const kind = v === scale.ticks[0] ? 'axis' : 'rule';
      out.push(node('line', { class: kind, x1: MARGIN.left, x2: right, y1: y, y2: y }));
      out.push(text(MARGIN.left - 8, y, 'end', this.options.format(v)));
    }
    const seconds = this.minutes * 60;
    const step = { 1: 15, 2: 30, 5: 60 }[this.minutes];
    for (let s = 0; s <= seconds; s += step) {
      const x = (right - (s / seconds) * (right - MARGIN.left)).toFixed(1);
      const words = s === 0 ? 'now' : s % 60 === 0 ? `−${s / 60} min` : `−${s} s`;
      const y = this.height - MARGIN.bottom;
      out.push(node('line', { class: 'rule', x1: x, x2: x, y1: y, y2: y + 4 }), text(x, this.height - 9, 'middle', words));
    }
    return out;
  }

  // Where a value is missing the line is broken.
  lines(scale) {
    return this.keys.map((k) => {
      let d = '';
      let pen = 'M';
      for (const s of this.samples) {
        const v = s.values[k.id];
        if (!(v > 0)) {
          pen = 'M';
          continue;
        }
        d += `${pen}${this.x(s.at).toFixed(1)} ${this.y(scale.place(v)).toFixed(1)}`;
        pen = 'L';
      }
      return node('path', { class: `line k-${k.id}`, d });
    });
  }

  areas(scale) {
    const base = this.samples.map(() => 0);
    return this.keys.flatMap((k) => {
      const low = [...base];
      this.samples.forEach((s, i) => (base[i] += s.values[k.id] ?? 0));
      if (base.every((v, i) => v === low[i])) return [];
      const at = (i, v) => `${this.x(this.samples[i].at).toFixed(1)} ${this.y(scale.place(v)).toFixed(1)}`;
      const top = base.map((v, i) => at(i, v)).join('L');
      const bottom = low.map((v, i) => at(i, v)).reverse().join('L');
      return [
        node('path', { class: `area k-${k.id}`, d: `M${top}L${bottom}Z` }),
        node('path', { class: `edge k-${k.id}`, d: `M${top}` }),
      ];
    });
  }

  crosshair() {
    const s = this.samples[this.chosen ?? -1];
    if (!s) return [];
    const x = this.x(s.at).toFixed(1);
    return [node('line', { class: 'cross', x1: x, x2: x, y1: MARGIN.top, y2: this.height - MARGIN.bottom })];
  }

  say() {
    const last = this.samples.at(-1);
    const s = this.samples[this.chosen ?? -1] ?? last;
    const known = (k) => s && (s.values[k.id] > 0 || !this.options.log);
    const value = (k) => (known(k) ? this.options.format(s.values[k.id] ?? 0) : '–');
    this.legend.replaceChildren(
      ...this.keys.map((k) => {
        const item = document.createElement('li');
        const swatch = document.createElement('i');
        swatch.className = `swatch k-${k.id}`;
        const number = document.createElement('b');
        number.textContent = value(k);
        item.append(swatch, `${k.label} `, number);
        return item;
      }),
    );
    const ago = s && last ? Math.round((last.at - s.at) / 1000) : 0;
    this.readout.textContent = this.chosen === null ? '' : ago === 0 ? 'now' : `${ago} s ago`;
    const words = this.keys.map((k) => `${k.label} ${value(k)}`).join(', ');
    const when = this.chosen === null ? 'now' : `${ago} seconds ago`;
    this.svg.setAttribute('aria-label', `${this.name}, ${when}: ${words || 'nothing yet'}`);
  }
}
