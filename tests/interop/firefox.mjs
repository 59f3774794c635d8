// Firefox, headless, driven over WebDriver BiDi. Not here: any expectation.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import WebSocket from 'ws';

// Nothing of its own goes to the network, and nothing keeps HTTP/3 from a certificate that this machine's user trusts.
const quiet = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.http.http3.disable_when_third_party_roots_found': false,
  'network.http.speculative-parallel-limit': 0,
  'network.proxy.type': 0,
  'network.trr.mode': 5,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/** {page(), close()}. `profile`: a directory of its own; `prefs`: more of about:config. */
export async function launch(browser, profile, prefs = {}) {
  mkdirSync(profile, { recursive: true });
  writeFileSync(`${profile}/user.js`, Object.entries({ ...quiet, ...prefs })
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''));
  const firefox = spawn(browser, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' } });
  const ended = new Promise((resolve) => firefox.once('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    let said = '';
    firefox.stderr.on('data', (piece) => {
      said += piece;
      const at = said.match(/WebDriver BiDi listening on (ws:\S+)/);
      if (at) resolve(at[1]);
    });
    ended.then(() => reject(new Error(`the browser ended: ${said}`)));
  });
  const socket = new WebSocket(`${address}/session`);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let last = 0;
  const answers = new Map();
  socket.on('message', (text) => {
    const m = JSON.parse(text);
    answers.get(m.id)?.(m);
    answers.delete(m.id);
  });
  async function command(method, params = {}) {
    const id = ++last;
    const answer = new Promise((resolve) => answers.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const m = await answer;
    if (m.type === 'error') throw new Error(`${method}: ${m.error}: ${m.message}`);
    return m.result;
  }
  const { capabilities } = await command('session.new', { capabilities: {} });
  return {
    version: capabilities.browserVersion,
    async page() {
      const { context } = await command('browsingContext.create', { type: 'tab' });
      return {
        goto: (url) => command('browsingContext.navigate', { context, url, wait: 'complete' }),
        // Runs a function in the page and returns what it resolves to, which has to be JSON.
        async run(fn, ...args) {
          const { type, result, exceptionDetails } = await command('script.evaluate', {
            expression: `(async () => JSON.stringify(await (${fn})(...${JSON.stringify(args)})))()`,
            target: { context }, awaitPromise: true,
          });
          if (type === 'exception') throw new Error(exceptionDetails.text);
          return result.value === undefined ? undefined : JSON.parse(result.value);
        },
      };
    },
    async close() {
      await command('browser.close').catch(() => {});
      socket.close();
      if (firefox.exitCode === null) firefox.kill();
      await ended;
    },
  };
}
