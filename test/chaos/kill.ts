/**
 * `npm run chaos:kill [-- --kills 20 --broker 2 --pauses 1 --users 200 --rate 400]`: the storm as a command.
 * Exit code 0 when nothing was lost, doubled or falsely offline.
 */
import { parseArgs } from 'node:util';
import { runStorm } from './storm.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    broker: { type: 'string', default: '2' },
    pauses: { type: 'string', default: '1' },
    users: { type: 'string', default: '200' },
    rate: { type: 'string', default: '400' },
  },
});
const report = await runStorm({
  kills: Number(values.kills),
  brokerRestarts: Number(values.broker),
  pauses: Number(values.pauses),
  users: Number(values.users),
  rate: Number(values.rate),
  say: (line) => console.error(`${new Date().toISOString()} ${line}`),
});
for (const fault of report.faults.slice(0, 50)) console.error(fault);
console.log(JSON.stringify({ ...report, faults: report.faults.length }));
process.exit(report.faults.length === 0 ? 0 : 1);
