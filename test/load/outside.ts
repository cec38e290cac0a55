/** Clients in a process of their own: `outside.ts <gateway> <user>…`. Prints a line once all are connected. */
import { LoadClient } from './client.ts';

const [gateway, ...users] = process.argv.slice(2) as [string, ...string[]];
const clients = users.map((user) => new LoadClient({ user, device: 'd', gateways: [gateway] }));
await Promise.all(clients.map((client) => client.connect()));
setInterval(() => {
  for (const client of clients) client.beat();
}, 1_000);
console.log('connected');
