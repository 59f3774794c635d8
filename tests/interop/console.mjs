// Chromium judges the console: node console.mjs PLAN.json (console.test.sh makes it). Prints a line a check; exit
// code 1 when one failed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { check, exitCode } from './check.mjs';
import { launch } from './chromium.mjs';
import { cases } from './golden.mjs';

// Node takes a .js file for a module only where a package.json says so; what browsers get has none.
const source = readFileSync(new URL('../../apps/web/console/frames.js', import.meta.url));
const { Cutter, encode, title } = await import(`data:text/javascript;base64,${source.toString('base64')}`);

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const browser = await launch(plan.browser, plan.profile, [
  `--ignore-certificate-errors-spki-list=${plan.key}`, `--origin-to-force-quic-on=localhost:${plan.quic_port}`,
]);
const page = await browser.page();

// ---- the load ----

const running = new Set();
function load(rps, connections, url) {
  const args = ['bench', 'req', '--rps', String(rps), '-c', String(connections), '-D', '600', `${url}/users/42`];
  const child = spawn(plan.herz, args, { stdio: 'ignore' });
  running.add(child);
  child.once('exit', () => running.delete(child));
}
async function unload() {
  await Promise.all([...running].map((c) => new Promise((over) => (c.once('exit', over), c.kill('SIGINT')))));
}

// ---- looking at the page ----

// `n` messages of the feed from now on, as what the page made of them: { id: [values] }.
const watch = (ids, n) =>
  page.run(
    (ids, n) =>
      new Promise((resolve) => {
        const seen = Object.fromEntries(ids.map((id) => [id, []]));
        const uptime = document.getElementById('uptime');
        const look = new MutationObserver(() => {
          for (const id of ids) seen[id].push(Number(document.getElementById(id).dataset.value));
          if (seen[ids[0]].length < n) return;
          look.disconnect();
          resolve(seen);
        });
        look.observe(uptime, { childList: true, characterData: true, subtree: true });
      }),
    ids,
    n,
  );
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const text = (id) => page.run((id) => document.getElementById(id).textContent, id);
const focused = () =>
  page.run(() => {
    const e = document.activeElement;
    const style = getComputedStyle(e.matches('#theme input') ? e.nextElementSibling : e);
    const said = e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || '';
    return {
      id: e.id || e.tagName,
      outline: style.outlineStyle !== 'none' && style.outlineWidth !== '0px',
      name: (e.labels?.[0]?.textContent || e.textContent || said).trim(),
    };
  });
const open = async (url) => {
  await page.goto(url);
  await page.until(() => document.getElementById('calls-per-second').dataset.value !== undefined);
};
// What is on the whole page, not only what fits.
async function picture(name, width, height, mobile = false) {
  const drawn = () => page.run(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.size(width, height, mobile);
  await drawn();
  const tall = await page.run(() => document.documentElement.scrollHeight);
  await page.size(width, Math.max(tall, height), mobile);
  await drawn();
  await page.screenshot(`${plan.pictures}/${name}.png`);
}
// By keys alone: the skip link, then the form from control to control.
async function fill({ over = 0, method, path, body }) {
  await page.run(() => document.activeElement.blur());
  await page.goto(page.url);
  await page.until(() => document.getElementById('target').textContent !== '');
  await page.key('Tab');
  await page.key('Enter'); // "Skip to the form"
  await page.key('Tab');
  assert.equal((await focused()).id, 'over');
  for (let i = 0; i < over; i++) await page.key('ArrowDown');
  await page.key('Tab');
  if (method) await page.type(method);
  await page.key('Tab');
  if (path) await page.type(path);
  await page.key('Tab');
  if (body) await page.type(body);
  await page.key('Tab');
  if (over === 2) await page.key('Tab'); // the certificate
  assert.equal((await focused()).id, 'send');
  await page.key('Enter');
  await page.until(() => !['', 'under way …'].includes(document.getElementById('outcome').textContent));
  return {
    outcome: await text('outcome'),
    answer: await text('answer'),
    frames: await page.run(() =>
      [...document.querySelectorAll('#frames li')].map((li) => ({
        way: li.className,
        title: li.querySelector('summary span').textContent,
        hex: li.querySelector('pre').textContent,
      })),
    ),
  };
}

// ---- checks ----

await check('its frames are those of the wire vectors', async () => {
  let read = 0;
  let written = 0;
  for (const c of cases('envelopes.txt')) {
    if (c.expect.some((e) => e.startsWith('error')) || c.bytes.length > 65536) continue;
    const length = c.bytes.length + 1;
    const frame = Uint8Array.from([0xca, 0xfe, 1, 0, length >> 16, (length >> 8) & 255, length & 255, 0, ...c.bytes]);
    const cutter = new Cutter();
    const got = [...cutter.feed(frame.subarray(0, 9)), ...cutter.feed(frame.subarray(9))];
    assert.equal(got.length, 1, c.name);
    assert.ok(title(got[0].body).startsWith(c.expect[0].split(' ')[0]), `${c.name}: ${title(got[0].body)}`);
    read++;
    // What the form sends is written as the vectors are; values have more types than it ever sends.
    if (c.canonical || /body=value/.test(c.expect[0]) || !/^(REQ|CREDIT|CANCEL) /.test(c.expect[0])) continue;
    if (/\d{16}/.test(c.expect[0])) continue; // beyond what a number holds here
    assert.deepEqual(encode(got[0].body), frame, c.name);
    written++;
  }
  for (const c of cases('frames.txt')) {
    if (/error (?!magic|version)/.test(c.expect.join()) || c.limit) continue;
    const cutter = new Cutter();
    const wanted = c.expect.filter((e) => e.startsWith('frame'));
    const bodies = c.expect.filter((e) => /^frame .*body=9/.test(e));
    if (bodies.length < wanted.length) continue; // no envelope inside
    const feed = () => [...c.bytes].flatMap((b) => cutter.feed(Uint8Array.of(b)));
    if (/error/.test(c.expect.join())) assert.throws(feed, undefined, c.name);
    else assert.equal(feed().length, wanted.length, c.name);
    read++;
  }
  assert.ok(read > 50 && written > 5, `${read}, ${written}`);
  return `${read} read, ${written} written`;
});

await page.size(1440, 1000);
await page.scheme('light');
page.url = `${plan.public}/`;

await check('a load of 1,000 calls a second shows on the page', async () => {
  load(1000, 8, plan.quic);
  await open(page.url);
  await page.until(() => Number(document.getElementById('calls-per-second').dataset.value) > 500);
  const seen = await watch(['calls-per-second', 'p50', 'p90', 'p99', 'p999', 'open'], 7);
  const rate = median(seen['calls-per-second']);
  assert.ok(rate >= 900 && rate <= 1100, `${rate} calls a second`);
  for (const id of ['p50', 'p90', 'p99', 'p999']) assert.ok(median(seen[id]) > 0, `${id}: ${seen[id]}`);
  assert.ok(median(seen.p50) <= median(seen.p99));
  assert.ok((await page.run(() => document.querySelectorAll('.plots path').length)) > 4);
  return `${seen['calls-per-second'].map((v) => Math.round(v))}; p50 ${seen.p50} us; p99 ${seen.p99} us`;
});
await check('connections stand by transport', async () => {
  const open = (name) =>
    page.run((n) => Number(document.querySelector(`tr[data-transport=${n}]`)?.cells[1].dataset.value), name);
  assert.equal(await open('quic'), 8);
  assert.ok((await open('http')) >= 1);
});
await unload();

await check('errors come up with their reason', async () => {
  await page.run(() => fetch('/fail?secret=1').then((r) => r.text()));
  await page.until(() => document.querySelector('#errors li .why')?.textContent.includes('fails on purpose'));
  const row = await page.run(() => document.querySelector('#errors li').textContent);
  assert.match(row, /500http.*GET \/faild/);
  assert.doesNotMatch(row, /secret/);
  page.complaints = page.complaints.filter((c) => !/500 \(Internal/.test(c)); // what was wanted
});

await check('every control has a label, and the focus shows', async () => {
  const nameless = await page.run(() => {
    const controls = [...document.querySelectorAll('input, select, textarea, button')];
    return controls.filter((e) => !(e.labels?.length || e.textContent.trim())).map((e) => e.id);
  });
  assert.deepEqual(nameless, []);
  await page.goto(page.url);
  const order = [];
  while (order.at(-1) !== 'send' && order.length < 30) {
    await page.key('Tab');
    const f = await focused();
    assert.ok(f.outline, `${f.id} has no outline`);
    assert.notEqual(f.name, '', `${f.id} has no name`);
    order.push(f.id);
  }
  assert.deepEqual(order.slice(-5), ['over', 'method', 'path', 'body', 'send'], order.join());
});
await check('plots are read by arrow keys', async () => {
  await page.goto(page.url);
  await watch(['open'], 4);
  await page.run(() => document.querySelector('#plot-open svg').focus());
  await page.key('ArrowLeft');
  await page.key('ArrowLeft');
  const label = await page.run(() => document.activeElement.getAttribute('aria-label'));
  assert.match(label, /^Connections, \d+ seconds ago: http \d/);
});

for (const where of ['public', 'admin']) {
  page.url = `${plan[where]}/`;
  await check(`${where}: a route is tried over HTTP by keys alone`, async () => {
    const r = await fill({ method: 'post', path: '/echo', body: 'hello over http' });
    assert.match(r.outcome, /^200 in [\d.]+ ms; 15 bytes/);
    assert.equal(r.answer, 'hello over http');
    assert.deepEqual(r.frames.map((f) => f.way), ['out', 'in', 'in']);
    assert.match(r.frames[0].hex, /^POST \/echo\nhost: /);
    assert.match(r.frames[1].hex, /content-type: text\/plain/);
    assert.match(r.frames[2].hex, /^0000 {2}68 65 6c 6c 6f/);
  });
  await check(`${where}: a route is tried over WebSocket by keys alone`, async () => {
    const r = await fill({ over: 1, path: '/users/grün' });
    assert.match(r.outcome, /^200 in /);
    assert.deepEqual(JSON.parse(r.answer), { id: 'grün' });
    assert.deepEqual(r.frames.map((f) => f.way), ['out', 'in']);
    assert.match(r.frames[0].title, /^REQ 1, "GET", "\/users\/grün", \{\}, nil$/);
    assert.match(r.frames[0].hex, /^0000 {2}ca fe 01 00 00 00/);
    assert.match(r.frames[1].title, /^RES 1, 200, /);
  });
  await check(`${where}: content that follows comes in DATA, with credit`, async () => {
    const r = await fill({ over: 1, path: '/bytes/300000' });
    assert.match(r.outcome, /^200 in .* 300000 bytes/);
    assert.ok(r.frames.some((f) => /^DATA 1, bin/.test(f.title)));
    assert.ok(r.frames.some((f) => f.way === 'out' && /^CREDIT 1, /.test(f.title)));
    assert.ok(r.answer.startsWith('000000000000000\n'));
  });
  await check(`${where}: an error is shown as what it is`, async () => {
    const r = await fill({ over: 1, path: '/nowhere' });
    assert.match(r.outcome, /^404 in /);
    assert.equal(JSON.parse(r.answer).title, 'Not Found');
  });
  const without = plan.webtransport === 'yes' ? '' : ' (not served by this build: it says so)';
  await check(`${where}: over WebTransport${without}`, async () => {
    const before = page.complaints.length;
    const r = await fill({ over: 2, path: '/users/7' });
    assert.equal(await page.run(() => atob(document.getElementById('hash').value).length), 32);
    if (plan.webtransport === 'yes') {
      assert.deepEqual(JSON.parse(r.answer), { id: '7' });
      assert.deepEqual(r.frames.map((f) => f.way), ['out', 'in']);
    } else {
      assert.doesNotMatch(r.outcome, /^\d/);
      page.complaints.length = before; // the browser says so, too
    }
  });
}

await check('https: figures come, a route is tried over the encrypted WebSocket', async () => {
  page.url = `${plan.https}/`;
  const r = await fill({ over: 1, path: '/users/9' });
  assert.match(await text('target'), /^wss:/);
  assert.deepEqual(JSON.parse(r.answer), { id: '9' });
  await page.until(() => document.getElementById('calls-per-second').dataset.value !== undefined);
});
await check('HTTP/3: figures come, a route is tried', async () => {
  page.url = `https://localhost:${plan.quic_port}/`;
  const r = await fill({ path: '/users/10' });
  assert.deepEqual(JSON.parse(r.answer), { id: '10' });
  assert.match(r.frames[1].hex, /^h3 200/);
  await page.until(() => document.getElementById('calls-per-second').dataset.value !== undefined);
  assert.equal(await page.run(() => document.querySelector('#transports tr[data-transport=h3]') !== null), true);
});

await check('the switch of colours is stronger than the system, and is remembered', async () => {
  const ground = () => page.run(() => getComputedStyle(document.body).backgroundColor);
  page.url = `${plan.public}/`;
  await page.scheme('light');
  await page.goto(page.url);
  const light = await ground();
  await page.scheme('dark');
  const dark = await ground();
  assert.notEqual(light, dark);
  await page.run(() => document.querySelector('input[name=theme]').focus());
  await page.key('ArrowRight');
  assert.equal(await ground(), light);
  await page.goto(page.url);
  assert.equal(await ground(), light);
  await page.run(() => document.querySelector('input[value=auto]').click());
  assert.equal(await ground(), dark);
  await page.scheme('light');
});

await check('pictures, under 1,000 calls a second of several transports; nothing sticks out on a phone', async () => {
  load(500, 6, plan.quic);
  load(250, 4, plan.ws);
  load(150, 3, plan.https);
  load(100, 2, plan.tcp);
  await page.size(1440, 1000);
  await fill({ over: plan.webtransport === 'yes' ? 2 : 1, path: '/users/42' });
  await page.run(() => fetch('/fail').then((r) => r.text()));
  page.complaints = page.complaints.filter((c) => !/500 \(Internal/.test(c));
  await watch(['open'], plan.seconds);
  await picture('light', 1440, 900);
  await page.scheme('dark');
  await picture('dark', 1440, 900);
  await picture('phone-dark', 390, 844, true);
  await page.scheme('light');
  await picture('phone-light', 390, 844, true);
  const width = await page.run(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${width} pixels wide`);
  const small = await page.run(() => {
    const controls = [...document.querySelectorAll('input, select, textarea')];
    const shown = controls.filter((e) => e.offsetParent && !e.closest('#theme'));
    return shown.filter((e) => parseFloat(getComputedStyle(e).fontSize) < 16).length;
  });
  assert.equal(small, 0, 'a phone would zoom in');
}, 60 + plan.seconds);
await unload();

await check('the page asked for nothing foreign and complained of nothing', async () => {
  const own = [plan.public, plan.admin, plan.https].flatMap((o) => [o, o.replace('http', 'ws')]);
  own.push(plan.quic.replace('quic', 'https'), `https://localhost:${plan.quic_port}`);
  const foreign = page.requests.filter((url) => !own.some((o) => url.startsWith(o)) && url !== 'about:blank');
  assert.deepEqual(foreign, []);
  assert.deepEqual(page.complaints, []);
});

await page.goto(`${plan.public}/`); // it looks on while the daemon ends
await browser.close();
process.exit(exitCode());
