/** A story's file is read as it was written; anything else is told, not played. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasCode, type PresenceError } from '../../base/errors.ts';
import { tellStory } from '../../simulation/story.ts';
import { readStory } from './story-file.ts';

const story = tellStory({ seed: 1, minutes: 5, clients: 20 });
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'story-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function refusal(text: string | null): PresenceError {
  const file = join(folder, 'story.json');
  if (text === null) rmSync(file, { force: true });
  else writeFileSync(file, text);
  try {
    readStory(file);
  } catch (error) {
    if (hasCode(error, 'BAD_SETTING')) return error;
    throw error;
  }
  throw new Error('It was taken.');
}

test('a story that was saved is read', () => {
  writeFileSync(join(folder, 'good.json'), JSON.stringify(story));
  expect(readStory(join(folder, 'good.json'))).toEqual(story);
});

test.each([
  ['no file', null, /cannot be read: ENOENT/],
  ['no JSON', '{', /cannot be read: /],
  ['something else', '{"name":"presence"}', /is no story\. It is not valid: seed is missing; ends_ms is missing/],
  ['a list', '[]', /is no story\. .*must be an object/],
  ['no acts', JSON.stringify({ ...story, clients: [{ ...story.clients[0], acts: null }] }), /clients\[0\]\.acts must be a list/],
])('%s is told', (_, text, said) => {
  expect(refusal(text).message).toMatch(said);
});
