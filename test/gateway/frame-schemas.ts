/** The frames as /asyncapi.json describes them, to hold what is sent against it. */
import { Ajv, type ValidateFunction } from 'ajv';
import * as formats from 'ajv-formats';
import { asyncApiDocument } from '../../gateway/asyncapi.ts';

const { messages, schemas } = (
  asyncApiDocument() as { components: { messages: Record<string, { payload: object }>; schemas: object } }
).components;

const ajv = new Ajv({ strict: false, allErrors: true });
(formats.default as unknown as (to: Ajv) => void)(ajv);
/** References to the document's schemas are looked for in the payload's own. */
const validators = new Map<unknown, ValidateFunction>(
  Object.entries(messages).map(([type, { payload }]) => [type, ajv.compile({ ...payload, components: { schemas } })]),
);

/** What is wrong with a frame by its message's schema; empty where it fits. */
export function faultsOf(frame: unknown): readonly string[] {
  const type = (frame as { type?: unknown } | null)?.type;
  const validate = validators.get(type);
  if (validate === undefined) return [`no message is called ${String(type)}`];
  if (validate(frame) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
