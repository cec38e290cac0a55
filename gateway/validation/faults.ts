/** zod's issues as faults: all of them, in the words of this project, with the place. */
import type { z } from 'zod';
import { type Fault, Problem } from '../http/problem.ts';

/** No answer lists more faults than this. */
const FAULT_LIMIT = 1_000;

type Issue = z.core.$ZodIssue;

/** What zod would say in its own way. */
function wording(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : issue.message.startsWith('Invalid input')
          ? `must be ${article(issue.expected)}`
          : issue.message;
    case 'invalid_value':
      return issue.message.startsWith('Invalid') ? `must be one of ${issue.values.map(String).join(', ')}` : issue.message;
    case 'too_small':
      return issue.message.startsWith('Too small') ? `must be at least ${issue.minimum}` : issue.message;
    case 'too_big':
      return issue.message.startsWith('Too big') ? `must be at most ${issue.maximum}` : issue.message;
    default:
      return issue.message;
  }
}

const articles: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};
const article = (expected: string): string => articles[expected] ?? expected;

const pointerOf = (path: readonly PropertyKey[]): string =>
  `#${path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;

/** `user_ids[3]`, as a frame's error says it. */
const placeOf = (path: readonly PropertyKey[]): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`)).join('');

export function parse<T>(schema: z.ZodType<T>, input: unknown, where: 'body' | 'query'): T {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  const { issues } = result.error;
  const errors = issues.slice(0, FAULT_LIMIT).map((issue): Fault => {
    const detail = wording(issue);
    return where === 'body' ? { detail, pointer: pointerOf(issue.path) } : { detail, parameter: placeOf(issue.path) };
  });
  throw new Problem('bad_input', summary(issues, where === 'body' ? 'The body' : 'The query'), { errors });
}

/** One sentence: the first few faults and how many more. */
export function summary(issues: readonly Issue[], subject: string): string {
  const first = issues
    .slice(0, 5)
    .map((issue) => (issue.path.length === 0 ? wording(issue) : `${placeOf(issue.path)} ${wording(issue)}`));
  const more = issues.length - first.length;
  return `${subject} is not valid: ${first.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`;
}
