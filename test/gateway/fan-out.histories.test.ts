/**
 * Random histories: users change in both views, connections come, watch, stall, are told too fast, break, and resume on another
 * gateway, gateways are killed, the fan-out topology is taken over, and the cache lags. Whatever happens, what a client has been
 * told is the truth in the end, each diff begins where the client is, and versions rise.
 */
import { afterAll, expect, test } from 'vitest';
import { silentLogger } from '../../base/logger.ts';
import { createFanOut } from '../../gateway/fan-out.ts';
import type { FanOutMode } from '../../gateway/fan-out-options.ts';
import type { FanOut, PolicableFanOut } from '../../gateway/parts.ts';
import { random as seeded } from '../../processors/swarm.ts';
import type { JoinedRunner } from '../../runtime/joined.ts';
import type { Diff, State } from '../../schemas/generated.ts';
import type { DiffView, Presence } from '../../schemas/presence.ts';
import { bench, FakeConnection, runFanOut, until } from './parts-kit.ts';
import { World } from './truth.ts';

const seeds =
  process.env.SEED === undefined
    ? Array.from({ length: Number(process.env.SEEDS ?? 12) }, () => Math.floor(Math.random() * 1e9))
    : [Number(process.env.SEED)];
const users = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay', 'gil'];
const states: readonly State[] = ['dnd', 'busy', 'online', 'away', 'offline'];
const modes: readonly FanOutMode[] = ['broadcast', 'routed'];
const open: (FanOut | JoinedRunner)[] = [];
afterAll(() => Promise.all(open.map((one) => one.close())));

type Frame = { readonly cursor: string } & (
  | { readonly type: 'snapshot'; readonly presences: readonly Presence[] }
  | { readonly type: 'diffs'; readonly diffs: readonly DiffView[] }
);

/** A client as it should be: it believes what it is told, and complains. */
class Client {
  readonly user: string;
  readonly asked = new Set<string>();
  /** Asked for, and the snapshot has not come yet: what the picture has of them is from another time. */
  readonly untold = new Set<string>();
  readonly picture = new Map<string, { state: State; version: number }>();
  cursor: string | null = null;
  connection: FakeConnection | null = null;
  gateway: FanOut | null = null;
  diffs = 0;
  resumes = 0;
  readonly complaints: string[] = [];

  readonly #mode: FanOutMode;

  constructor(user: string, mode: FanOutMode) {
    this.user = user;
    this.#mode = mode;
  }

  take(frame: Frame): void {
    this.cursor = frame.cursor;
    if (frame.type === 'snapshot') {
      for (const { user_id, state, version } of frame.presences) {
        const known = this.picture.get(user_id);
        // Where gateways are told apart from each other, one may know less than the one before: what it lacks comes next.
        if (known !== undefined && known.version > version && this.#mode === 'broadcast')
          this.complaints.push(`snapshot of ${user_id} goes back from ${known.version} to ${version}`);
        this.picture.set(user_id, { state, version });
        this.untold.delete(user_id);
      }
      return;
    }
    for (const { user_id, from, to, version } of frame.diffs) {
      this.diffs += 1;
      const known = this.picture.get(user_id);
      if (known === undefined) this.complaints.push(`a diff of ${user_id} before its snapshot`);
      else if (known.version >= version) this.complaints.push(`${user_id} ${version} after ${known.version}`);
      else if (known.state !== from) this.complaints.push(`${user_id} from ${from}, but it was ${known.state}`);
      if (from === to) this.complaints.push(`${user_id} from ${from} to ${to}`);
      this.picture.set(user_id, { state: to, version });
    }
  }
}

test.each(modes.flatMap((mode) => seeds.map((seed) => ({ mode, seed }))))(
  '$mode: every picture is the truth in the end, no diff comes twice (seed $seed)',
  async ({ mode, seed }) => {
    const random = seeded(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    // Some histories have no resumes, some no slow readers: what is rare must not hide behind what is common.
    const odds = {
      change: 0.4 + random() * 0.3,
      slow: random() < 0.7 ? 0.1 : 0,
      resume: random() < 0.8 ? 0.15 : 0,
      lag: random(),
    };
    const on = await bench({ partitions: 3 });
    const world = new World();
    // In some a connection is told at most so many diffs a second that it waits now and then.
    const pushRate = random() < 0.4 ? { rate: 20, burst: 3 + Math.floor(random() * 10) } : { rate: 1_000_000, burst: 1_000_000 };
    const parts = { log: on.log, codecs: on.codecs, logger: silentLogger, readPresences: world.read, mode };
    // In some there is nearly always so much to tell at once that who went offline comes last.
    const onlineFirstFrom = random() < 0.5 ? 1 : 1_000;
    const make = () => createFanOut({ ...parts, pushRate, onlineFirstFrom });
    // In some nobody flaps, in others nearly everybody, for as long as a test can wait.
    const flapping = random() < 0.5 ? { changes: 1_000_000 } : { changes: 5, within: 400, most: 2 };
    const runners = mode === 'routed' ? [await runFanOut(on, flapping)] : [];
    open.push(...runners);
    const gateways = [await make(), await make()];
    open.push(...gateways);
    const clients = ['ada', 'ada', 'bob', 'cyd'].map((user) => new Client(user, mode));
    /** What is under way on a gateway. What was on one that is killed is nobody's business any more. */
    const under = new Map<FanOut, Promise<unknown>[]>(gateways.map((gateway) => [gateway, []]));
    const doing = (gateway: FanOut, work: Promise<unknown>): void => {
      under.get(gateway)?.push(work);
      work.catch(() => {}); // of a killed one it may fail
    };
    let connections = 0;

    const connect = (client: Client): void => {
      const resuming = client.cursor !== null && random() < 0.8;
      if (!resuming) client.picture.clear();
      const known = [...client.asked].filter((key) => client.picture.has(key) && !client.untold.has(key));
      const [gateway, connection] = [pick(gateways), new FakeConnection(client.user, `c${++connections}`)];
      connection.onFrame = (frame) => connection.open && client.take(frame as Frame);
      Object.assign(client, { gateway, connection });
      doing(gateway, gateway.attach(connection));
      if (resuming && known.length > 0) {
        client.resumes += 1;
        doing(gateway, gateway.resume(connection, client.cursor as string, known));
      } else for (const key of known) client.asked.delete(key);
      // What was asked and never told is asked anew, as a client does.
      const untold = [...client.asked].filter((key) => !known.includes(key));
      if (untold.length > 0) doing(gateway, gateway.subscribe(connection, untold));
    };
    const disconnect = (client: Client): void => {
      if (client.connection === null) return;
      client.connection.open = false;
      client.gateway?.detach(client.connection);
      client.connection = null;
    };

    /** A gateway is gone from one moment to the next, and its clients come back to another: a new one, at last. */
    const kill = async (): Promise<void> => {
      const [gone] = gateways.splice(Math.floor(random() * gateways.length), 1) as [PolicableFanOut];
      for (const client of clients) if (client.gateway === gone) disconnect(client);
      under.delete(gone);
      await gone.close();
      const next = await make();
      under.set(next, []);
      gateways.push(next);
      open.push(next);
    };
    /** Its partitions go to an instance that makes its tables anew. */
    const takeOver = async (): Promise<void> => {
      const next = await runFanOut(on, flapping);
      open.push(next);
      await runners.splice(0, 1, next)[0]?.close();
    };
    for (const client of clients) connect(client);
    for (let step = 0; step < 250; step++) {
      const client = pick(clients);
      const dice = random();
      if (random() < 0.015) await kill();
      if (runners.length > 0 && random() < 0.015) await takeOver();
      if (dice < odds.change) {
        const diffs: Diff[] = [];
        for (let n = 1 + Math.floor(random() * 4); n > 0; n--) {
          const key = pick(users);
          const to = pick(states);
          const now = world.now(key);
          // As the topology has it: one diff for both where they agree, else one for each view that changes.
          if (now.self.state === now.others.state && random() < 0.8) {
            if (to !== now.self.state) diffs.push(world.change(key, to));
          } else if (random() < 0.5) {
            if (to !== now.self.state) diffs.push(world.change(key, to, 'self'));
          } else if (to !== now.others.state) diffs.push(world.change(key, to, 'others'));
          world.lag.set(key, random() < odds.lag ? Math.floor(random() * 5) : 0);
        }
        if (diffs.length > 0) await on.diffs(diffs);
      } else if (client.connection === null) connect(client);
      else if (dice < odds.change + odds.slow) client.connection.slow = !client.connection.slow;
      else if (dice < odds.change + odds.slow + odds.resume) disconnect(client);
      else if (random() < 0.6) {
        const keys = [pick(users), pick(users)].filter((key) => key !== client.user);
        for (const key of keys) {
          if (!client.asked.has(key)) client.untold.add(key);
          client.asked.add(key);
        }
        const gateway = client.gateway as FanOut;
        doing(gateway, gateway.subscribe(client.connection, keys));
      } else if (random() < 0.3) {
        const gateway = pick(gateways);
        doing(gateway, gateway.keep(client.user, { set: users.filter((key) => key !== client.user && random() < 0.3) }));
      } else {
        const key = pick(users.filter((user) => user !== client.user));
        client.gateway?.unsubscribe(client.connection, [key]);
        client.asked.delete(key);
        // It may still be watched by the kept list: then its picture goes on; else what is left of it is old.
        if (!client.gateway?.interest(client.user).includes(key)) client.picture.delete(key);
      }
      if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 4)));
    }
    for (const client of clients) if (client.connection === null) connect(client);
    for (const { connection } of clients) if (connection !== null) connection.slow = false;
    await Promise.all([...under.values()].flat());

    const wrong = (): string[] =>
      clients.flatMap((client) => {
        const kept = client.gateway?.interest(client.user) ?? [];
        return [...new Set([client.user, ...client.asked, ...kept])].flatMap((key) => {
          const { state } = world.view(key, client.user);
          const told = client.picture.get(key);
          return told?.state === state ? [] : [`${client.user} sees ${key} ${told?.state} ${told?.version}, it is ${state}`];
        });
      });
    const help = `repeat: SEED=${seed} npx vitest run test/gateway/fan-out.histories.test.ts`;
    const deadline = performance.now() + 5_000;
    await until(() => wrong().length === 0 || performance.now() > deadline);
    expect(wrong(), help).toEqual([]);
    expect(
      clients.flatMap(({ user, complaints }) => complaints.map((text) => `${user}: ${text}`)),
      help,
    ).toEqual([]);
    expect(clients.reduce((sum, { diffs }) => sum + diffs, 0)).toBeGreaterThan(0);
  },
);
