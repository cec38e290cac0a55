import { chromium } from 'playwright-core';
import { expect, test } from 'vitest';
import { browserArgs } from './index.ts';
import { describeWith } from './suite.ts';

await describeWith('The browser', ['browser'], ({ browser }) => {
  test('runs a page and its script', async () => {
    const started = await chromium.launch({ executablePath: browser, args: [...browserArgs] });
    try {
      const page = await started.newPage();
      await page.goto('data:text/html,<title>hello</title><script>document.title += " world"</script>');
      expect(await page.title()).toBe('hello world');
    } finally {
      await started.close();
    }
  });
});
