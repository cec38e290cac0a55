/** /topology in a real browser, on a whole embedded system; what this system does not do by itself is put into its answers. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ProcessFigures } from '../../cli/figures.ts';
import type { Live } from '../../cli/pages.ts';
import { type Presence, presence } from '../e2e/process.ts';
import { browserArgs } from '../stack/browser.ts';
import { freePort } from '../stack/index.ts';
import { describeWith } from '../stack/suite.ts';

type Changeable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? Changeable<E>[] : T[K] };

await describeWith('The topology page', ['browser'], ({ browser: executablePath }) => {
  let url: string;
  let system: Presence;
  let browser: Browser;
  let complaints: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    system = presence(['up'], { PORT: String(port), PARTITIONS: '3' });
    [browser] = await Promise.all([
      chromium.launch({ executablePath, args: [...browserArgs] }),
      system.printed(/presence is up/),
    ]);
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    complaints = [];
  });
  afterAll(async () => {
    await browser?.close();
    await system?.end();
  });

  interface Opened {
    readonly page: Page;
    /** What is put into the next answers; null: they do not come. */
    change: ((live: Changeable<Live>) => void) | null;
  }

  const open = async (change: Opened['change'] = () => {}, options: BrowserContextOptions = {}, query = ''): Promise<Opened> => {
    const page = await (await browser.newContext(options)).newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    const opened: Opened = { page, change };
    await page.route('**/topology/live', async (route) => {
      if (opened.change === null) return route.abort();
      const live = (await (await route.fetch()).json()) as Changeable<Live>;
      opened.change(live);
      return route.fulfill({ json: live });
    });
    await page.goto(`${url}/topology${query}`);
    return opened;
  };
  const nodes = (page: Page) => page.locator('.node').evaluateAll((all) => all.map((node) => (node as HTMLElement).dataset.node));
  const own = (live: Changeable<Live>): Changeable<ProcessFigures> => live.processes[0] as Changeable<ProcessFigures>;
  const beat = (n: number) =>
    fetch(`${url}/presence/heartbeat`, {
      method: 'POST',
      headers: { authorization: `Bearer dev:user-${n % 9}`, 'content-type': 'application/json' },
      body: JSON.stringify({ device_id: 'd', session_id: 's', seq: n, state: n % 2 === 0 ? 'busy' : 'online' }),
    });

  test('draws the spec: topics, stages, stores, timers and sinks, from gateways to gateways', async () => {
    const { page } = await open();
    await page.waitForSelector('.node');
    expect(await nodes(page)).toEqual([
      'gateways:in',
      'topic:presence.signals',
      'stage:drop-repeats',
      'stage:strongest-signal',
      'stage:silence',
      'stage:changes',
      'topic:presence.state',
      'topic:presence.diffs',
      'sink:durable',
      'sink:hot',
      'gateways:out',
    ]);
    expect(await page.locator('[data-node="stage:silence"]').textContent()).toMatch(/offlineTimeout.*lives.*lease3 s.*grace1 s/s);
    expect(await page.locator('.edge').count()).toBe(11);
    expect(complaints).toEqual([]);
  });

  test('rates, sizes and sinks move when signals flow', async () => {
    const { page } = await open();
    await page.waitForSelector('.node');
    let n = Date.now();
    const flowing = setInterval(() => void beat(n++).catch(() => {}), 20);
    try {
      const shows = (node: string, pattern: string) =>
        page.waitForFunction(
          ([id, text]) => new RegExp(text!).test(document.querySelector(`[data-node="${id}"]`)?.textContent ?? ''),
          [node, pattern] as const,
        );
      await shows('gateways:in', '[1-9][0-9]/s');
      await shows('stage:drop-repeats', 'sessions[1-9]');
      await shows('stage:changes', '[1-9][0-9.]*/s → [1-9].*emitted9');
      await shows('topic:presence.diffs', '[1-9][0-9.]*/s');
      await shows('sink:durable', '[1-9][0-9.]*/s');
      await page.waitForSelector('.stream[data-flows]', { state: 'attached' });
      await page.waitForFunction(() => /[1-9]/.test(document.querySelector('[data-partition="0"]')?.textContent ?? ''));
      expect(await page.locator('#totals').textContent()).toMatch(/signals in.*9users/s);
    } finally {
      clearInterval(flowing);
    }
    expect(complaints).toEqual([]);
  });

  test('a partition says its state: running, restoring with what is left, parked with its reason, standby, none', async () => {
    const states: readonly (readonly [string, (live: Changeable<Live>) => void, RegExp])[] = [
      ['running', () => {}, /running/],
      [
        'parked',
        (live) => Object.assign(own(live).partitions[1]!, { state: 'parked', problem: 'Rebuild it.' }),
        /parked.*Rebuild it\./,
      ],
      [
        'restoring',
        (live) => Object.assign(own(live).partitions[1]!, { state: 'restoring', restore_remaining: 1_200 }),
        /restoring.*1\.2k/,
      ],
      ['no owner', (live) => own(live).partitions.splice(1, 1), /no owner/],
      [
        'standby',
        (live) => {
          own(live).partitions.splice(1, 1);
          own(live).standbys = [{ partition: 1, records: 5, bytes: 9, lag: 2 }];
        },
        /standby.*2 behind/,
      ],
    ];
    const opened = await open();
    for (const [state, change, text] of states) {
      opened.change = change;
      await opened.page.waitForSelector(`[data-partition="1"][data-state="${state}"]`);
      expect(await opened.page.locator('[data-partition="1"]').textContent()).toMatch(text);
    }
    opened.change = states[1]![1];
    await opened.page.waitForSelector('#warnings li:has-text("Partition 1 is parked")');
    // Where others may run it, nobody is alarmed.
    opened.change = (live) => {
      live.complete = false;
      own(live).partitions.splice(1, 1);
    };
    await opened.page.waitForSelector('[data-partition="1"][data-state="not here"]');
    expect(complaints).toEqual([]);
  });

  test('an edited topology is drawn edited, while it is watched', async () => {
    const opened = await open();
    await opened.page.waitForSelector('[data-node="stage:silence"]');
    opened.change = (live) => {
      const { spec } = own(live);
      const [first, ...rest] = spec.stages;
      const added = { ...first!, kind: 'sample', name: 'one-in-ten', stores: [{ name: 'seen', part: 'seen' }] };
      own(live).spec = { ...spec, version: 2, stages: [first!, added, ...rest.filter(({ name }) => name !== 'silence')] };
    };
    await opened.page.waitForSelector('[data-node="stage:one-in-ten"]');
    const stages = (await nodes(opened.page)).filter((id) => id?.startsWith('stage:'));
    expect(stages).toEqual(['stage:drop-repeats', 'stage:one-in-ten', 'stage:strongest-signal', 'stage:changes']);
    expect(await opened.page.textContent('#name')).toMatch(/presence@2/);
    expect(complaints).toEqual([]);
  });

  test('a stage opens by keyboard, with settings, stores, timers and what it is for; Escape closes it', async () => {
    const { page } = await open();
    await page.waitForSelector('[data-node="stage:silence"]');
    await page.focus('[data-node="stage:strongest-signal"]');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => (document.activeElement as HTMLElement).dataset.node)).toBe('stage:silence');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#detail-title:has-text("silence")');
    await page.waitForSelector('#detail .about');
    const text = await page.locator('#detail').textContent();
    for (const part of [/Arms a timer for each device/, /grace1 s/, /lives/, /silence\.lease3 s, lease clock/, /By partition/])
      expect(text).toMatch(part);
    expect(page.url()).toMatch(/at=stage%3Asilence/);
    await page.keyboard.press('Escape');
    await page.waitForSelector('#detail-title:has-text("Press a part")');
    expect(complaints).toEqual([]);
  });

  test('says for how long no data has come, and goes on when it comes again', async () => {
    const opened = await open();
    await opened.page.waitForSelector('#connection[data-kind=good]');
    opened.change = null;
    await opened.page.waitForSelector('#connection:has-text("no data for 4 s")');
    expect(await opened.page.locator('.node').count()).toBeGreaterThan(0);
    opened.change = () => {};
    await opened.page.waitForSelector('#connection[data-kind=good]');
  });

  test('several processes are one picture; who is silent, and who runs another spec, is named', async () => {
    const { page } = await open((live) => {
      const one = own(live);
      const other = {
        ...structuredClone(one),
        instance: 'other',
        partitions: one.partitions.splice(2),
        spec: { ...one.spec, version: 9 },
      };
      live.processes = [one, other as typeof one, { url: 'http://third:8080/', problem: 'no answer within 1000 ms' }];
    });
    await page.waitForSelector('#connection:has-text("2 processes")');
    expect(await page.locator('[data-partition="2"]').textContent()).toMatch(/running.*other/);
    const warnings = await page.locator('#warnings').textContent();
    expect(warnings).toMatch(/third:8080\/ did not say what it does: no answer within 1000 ms/);
    expect(warnings).toMatch(/other run another spec/);
    expect(complaints).toEqual([]);
  });

  test('a gateway alone shows the spec, and says where the figures are', async () => {
    const { page } = await open((live) => {
      live.complete = false;
      Object.assign(own(live), { roles: ['gateway'], partitions: [], sinks: [] });
    });
    await page.waitForSelector('#warnings li:has-text("TOPOLOGY_URLS")');
    expect(await page.locator('[data-node="stage:silence"] .rate').textContent()).toMatch(/– → –/);
    expect(await page.locator('[data-partition="0"]').getAttribute('data-state')).toBe('not here');
    expect(complaints).toEqual([]);
  });

  test('fits a phone: nothing is cut off, and the flow goes downwards', async () => {
    const { page } = await open(() => {}, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }, '?at=stage%3Asilence');
    await page.waitForSelector('#detail-title:has-text("silence")');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    expect(await page.getAttribute('#flow', 'data-across')).toBe('false');
    expect(complaints).toEqual([]);
  });
});
