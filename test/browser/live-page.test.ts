/** The live page in a real browser, on a whole embedded system: what a newcomer does first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Presence, presence } from '../e2e/process.ts';
import { browserArgs } from '../stack/browser.ts';
import { freePort } from '../stack/index.ts';
import { describeWith } from '../stack/suite.ts';

await describeWith('The live page', ['browser'], ({ browser: executablePath }) => {
  const folder = mkdtempSync(join(tmpdir(), 'presence-browser-'));
  let port: number;
  let system: Presence;
  let browser: Browser;
  /** What a page complained of; nothing, unless the test says so. */
  let complaints: string[] = [];

  const up = async (): Promise<void> => {
    system = presence(['up'], { PORT: String(port), DATA_DIR: folder });
    await system.printed(/presence is up/);
  };
  beforeAll(async () => {
    port = await freePort();
    [browser] = await Promise.all([chromium.launch({ executablePath, args: [...browserArgs] }), up()]);
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    complaints = [];
  });
  afterAll(async () => {
    await browser?.close();
    await system?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A tab of a browser of its own. */
  const tab = async (query = '', options: BrowserContextOptions = {}): Promise<Page> => {
    const page = await (await browser.newContext(options)).newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await page.goto(`http://127.0.0.1:${port}/${query}`);
    return page;
  };
  const sees = (page: Page, user: string, state: string) =>
    page.waitForSelector(`#people li[data-user="${user}"][data-state="${state}"]`);
  const told = (page: Page, user: string, to: string) => page.waitForSelector(`#feed li[data-user="${user}"][data-to="${to}"]`);
  const is = (page: Page, state: string) => page.waitForSelector(`#own-state-dot[data-state="${state}"]`);

  test('two tabs see each other come, change and go', async () => {
    const ada = await tab();
    await ada.fill('#name', 'ada');
    await ada.click('#sign-in .primary');
    await is(ada, 'online');
    await ada.fill('#watch-name', 'bob, nobody');
    await ada.click('#watch button');
    await sees(ada, 'bob', 'offline');

    const bob = await tab('?user=bob&watch=ada');
    await sees(bob, 'ada', 'online');
    await sees(ada, 'bob', 'online');
    expect(await (await told(ada, 'bob', 'online')).textContent()).toMatch(/bob[\s\S]*offline →[\s\S]*online[\s\S]*\d+ ms/);

    await bob.click('[data-say=busy]');
    await sees(ada, 'bob', 'busy');
    await ada.click('[data-say=dnd]');
    await sees(bob, 'ada', 'dnd');

    await bob.close();
    await sees(ada, 'bob', 'offline');
    expect(await (await told(ada, 'bob', 'offline')).getAttribute('data-cause')).toBe('goodbye');
    expect(await ada.locator('#people li[data-user=nobody]').textContent()).toMatch(/last seen never/);
    expect(complaints).toEqual([]);
  });

  test('an invisible user sees the truth, others see them leave; clearing brings them back', async () => {
    const [ada, bob] = [await tab('?user=ada-2&watch=bob-2'), await tab('?user=bob-2&watch=ada-2')];
    await sees(bob, 'ada-2', 'online');
    await ada.click('[data-override=invisible]');
    await is(ada, 'invisible');
    await sees(bob, 'ada-2', 'offline');
    expect(await (await told(bob, 'ada-2', 'offline')).getAttribute('data-cause')).toBe('goodbye');
    await ada.click('[data-override=clear]');
    await is(ada, 'online');
    await sees(bob, 'ada-2', 'online');
    expect(complaints).toEqual([]);
  });

  test('offline is a goodbye of this tab, and any other state brings it back; the list can be cut down', async () => {
    const [ada, bob] = [await tab('?user=ada-3&watch=bob-3'), await tab('?user=bob-3')];
    await sees(ada, 'bob-3', 'online');
    await bob.click('[data-say=offline]');
    await sees(ada, 'bob-3', 'offline');
    await bob.click('[data-say=away]');
    await sees(ada, 'bob-3', 'away');
    await ada.click('[aria-label="Stop watching bob-3"]');
    await ada.waitForSelector('#nobody:not([hidden])');
    const before = await ada.locator('#feed li').count();
    await bob.click('[data-say=busy]');
    await is(bob, 'busy');
    expect(await ada.locator('#feed li').count()).toBe(before);
  });

  test('two tabs of one user are two devices, also when one is a copy of the other', async () => {
    const first = await tab('?user=ada-4');
    await is(first, 'online');
    const copied = JSON.stringify(await first.evaluate(() => ({ ...sessionStorage })));
    const second = await (first.context().newPage() as Promise<Page>);
    await second.addInitScript((kept: string) => {
      if (sessionStorage.length === 0) Object.assign(sessionStorage, JSON.parse(kept));
    }, copied);
    await second.goto(first.url());
    await Promise.all(
      [first, second].map((page) =>
        page.waitForFunction(() => /2 devices/.test(document.getElementById('own-detail')!.textContent!)),
      ),
    );
  });

  test('when the server is killed and comes back the page does too, and sees what changed meanwhile', async () => {
    const [ada, bob] = [await tab('?user=ada-5&watch=bob-5'), await tab('?user=bob-5')];
    await sees(ada, 'bob-5', 'online');
    await system.end('SIGKILL');
    await ada.waitForSelector('#connection[data-kind=wait]');
    await bob.close();
    await up();
    await ada.waitForSelector('#connection[data-kind=good]');
    await sees(ada, 'bob-5', 'offline');
    await ada.click('[data-say=busy]');
    await is(ada, 'busy');
  });

  test('a token that is not accepted is said, and a name is never markup', async () => {
    const ada = await tab();
    await ada.click('summary');
    await ada.fill('#token', 'no.such.token');
    await ada.click('#sign-in .primary');
    await ada.waitForSelector('#refused:not([hidden])');
    expect(await ada.textContent('#refused')).toMatch(/not accepted/);

    const bob = await tab('?user=bob-6&watch=%3Cimg%20src=x%20onerror=alert(1)%3E');
    await bob.waitForSelector('#people li');
    expect(await bob.locator('#people img').count()).toBe(0);
  });
});
