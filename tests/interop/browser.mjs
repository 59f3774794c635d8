// Either browser, for judges that ask both the same. Not here: how each is driven (chromium.mjs, firefox.mjs).
import * as chromium from './chromium.mjs';
import * as firefox from './firefox.mjs';

export const isFirefox = (browser) => browser.includes('firefox');

/** Trusts the certificate whose key has this hash where the browser has a way to say so. */
export function launch(browser, profile, key) {
  return isFirefox(browser)
    ? firefox.launch(browser, profile, { 'network.dns.disableIPv6': true })
    : chromium.launch(browser, profile, [`--ignore-certificate-errors-spki-list=${key}`]);
}

/** Goes there; a page says that it is through by window.loaded. */
export async function load(page, url) {
  await page.goto(url);
  if (!(await page.run(() => window.loaded))) throw new Error(`the page did not load: ${page.said}`);
}
