// Chromium without a window, driven over the DevTools protocol: pages, keys, screenshots, and what pages complain
// of or ask for. Not here: any expectation.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import WebSocket from 'ws';

// Starts the browser with a profile of its own. Resolves to { page(), close() }.
export async function launch(browser, profile, flags = []) {
  const chromium = spawn(
    browser,
    [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
      '--no-first-run', '--host-resolver-rules=MAP localhost 127.0.0.1', `--user-data-dir=${profile}`,
      '--remote-debugging-port=0', ...flags, 'about:blank',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const ended = new Promise((resolve) => chromium.once('exit', resolve));
  const devtools = await new Promise((resolve, reject) => {
    let said = '';
    chromium.stderr.on('data', (piece) => {
      said += piece;
      const at = said.match(/DevTools listening on (ws:\S+)/);
      if (at) resolve(new URL(at[1]));
    });
    ended.then(() => reject(new Error(`the browser ended: ${said}`)));
  });
  return {
    page: () => open(devtools.host),
    async close() {
      chromium.kill();
      await ended;
    },
  };
}

async function open(host) {
  const tab = await (await fetch(`http://${host}/json/new?about:blank`, { method: 'PUT' })).json();
  const socket = new WebSocket(tab.webSocketDebuggerUrl);
  await new Promise((resolve) => socket.once('open', resolve));
  const page = new Page(socket);
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.command(`${domain}.enable`);
  return page;
}

const KEYS = { Tab: 9, Enter: 13, Escape: 27, Space: 32, End: 35, Home: 36, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40 };

class Page {
  said = []; // all on its console, and exceptions
  complaints = []; // of it: errors, warnings, exceptions
  requests = []; // URLs that it asked for, WebSockets too

  constructor(socket) {
    this.socket = socket;
    this.last = 0;
    this.answers = new Map();
    this.loaded = () => {};
    socket.on('message', (text) => this.#take(JSON.parse(text)));
  }

  #take(m) {
    if (m.id) this.answers.get(m.id)(m);
    const p = m.params;
    if (m.method === 'Page.loadEventFired') this.loaded();
    if (m.method === 'Runtime.consoleAPICalled') {
      const bad = ['error', 'warning', 'assert'].includes(p.type);
      this.#hear(p.args.map((a) => a.value ?? a.description).join(' '), bad);
    }
    if (m.method === 'Runtime.exceptionThrown') this.#hear(p.exceptionDetails.exception?.description ?? p.exceptionDetails.text, true);
    if (m.method === 'Log.entryAdded' && p.entry.level !== 'info') this.complaints.push(`${p.entry.text} ${p.entry.url ?? ''}`);
    if (m.method === 'Network.requestWillBeSent') this.requests.push(p.request.url);
    if (m.method === 'Network.webSocketCreated' || m.method === 'Network.webTransportCreated') this.requests.push(p.url);
  }

  #hear(text, bad) {
    this.said.push(text);
    if (bad) this.complaints.push(text);
  }

  command(method, params = {}) {
    const id = ++this.last;
    const answer = new Promise((resolve) => this.answers.set(id, resolve));
    this.socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }

  async goto(url) {
    const done = new Promise((resolve) => (this.loaded = resolve));
    await this.command('Page.navigate', { url });
    await done;
  }

  // Runs a function in the page and returns what it resolves to.
  async run(fn, ...args) {
    const expression = `(${fn})(...${JSON.stringify(args)})`;
    const { result } = await this.command('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (result.exceptionDetails) throw new Error(result.exceptionDetails.exception?.description);
    return result.result.value;
  }

  // Waits until `fn` gives something true in the page, looking at every change of what it shows.
  until(fn, ...args) {
    return this.run(
      new Function(
        '...args',
        `const fn = ${fn};
         return new Promise((resolve) => {
           const look = () => { const v = fn(...args); if (v) { watch.disconnect(); resolve(v); } };
           const watch = new MutationObserver(look);
           watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
           look();
         });`,
      ),
      ...args,
    );
  }

  async key(name, modifiers = 0) {
    const text = name === 'Enter' ? '\r' : undefined;
    const key = { key: name, code: name, windowsVirtualKeyCode: KEYS[name], modifiers, text };
    await this.command('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...key });
    await this.command('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
  }

  async type(text) {
    for (const c of text) await this.command('Input.dispatchKeyEvent', { type: 'char', text: c });
  }

  size(width, height, mobile = false) {
    return this.command('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: mobile ? 2 : 1 });
  }

  scheme(value) {
    return this.command('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
  }

  async screenshot(file, whole = false) {
    const { result } = await this.command('Page.captureScreenshot', { format: 'png', captureBeyondViewport: whole });
    writeFileSync(file, Buffer.from(result.data, 'base64'));
  }

  close() {
    this.socket.close();
  }
}
