import { createEmbeddedLog } from '../../runtime/log-embedded.ts';
import { logContract } from './log.contract.ts';

logContract('The embedded log', async () => {
  const log = await createEmbeddedLog();
  return { log, other: log };
});
