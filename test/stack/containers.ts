/**
 * Parts as containers, through testcontainers, where an engine answers. `PRESENCE_STACK=native` leaves the
 * engine alone, `PRESENCE_STACK=container` insists on it.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { Unavailable } from './machine.ts';
import type { Runner } from './part.ts';

const sockets = [
  '/var/run/docker.sock',
  '/run/podman/podman.sock',
  `${homedir()}/.docker/run/docker.sock`,
  `${homedir()}/.testcontainers.properties`,
  ...(process.env.XDG_RUNTIME_DIR === undefined
    ? []
    : [`${process.env.XDG_RUNTIME_DIR}/docker.sock`, `${process.env.XDG_RUNTIME_DIR}/podman/podman.sock`]),
];

let answer: Promise<boolean> | undefined;

/** Whether a container engine answers; asked once. testcontainers is loaded only where there may be one. */
export function engineAnswers(): Promise<boolean> {
  answer ??= ask();
  return answer;
}

async function ask(): Promise<boolean> {
  const wish = process.env.PRESENCE_STACK;
  if (wish === 'native') return false;
  const likely = process.env.DOCKER_HOST !== undefined || sockets.some((path) => existsSync(path));
  const found =
    likely &&
    (await import('testcontainers')
      .then((t) => t.getContainerRuntimeClient())
      .then(
        () => true,
        () => false,
      ));
  if (!found && wish === 'container') throw new Unavailable('PRESENCE_STACK=container, and no container engine answers');
  return found;
}

export interface ContainerOptions {
  readonly image: string;
  /** The port here, kept through restarts. */
  readonly port: number;
  /** The port inside. */
  readonly inside: number;
  readonly env?: Record<string, string>;
  readonly command?: string[];
}

/** Runs an image; its data lives as long as the container. Waiting until it answers is the part's own. */
export function containerRunner(options: ContainerOptions): Runner {
  let container: import('testcontainers').StartedTestContainer | undefined;

  const raw = async () => {
    const { getContainerRuntimeClient } = await import('testcontainers');
    return (await getContainerRuntimeClient()).container.getById(container!.getId());
  };

  return {
    start: async () => {
      if (container !== undefined) return void (await (await raw()).start());
      const { GenericContainer } = await import('testcontainers');
      let image = new GenericContainer(options.image)
        .withExposedPorts({ container: options.inside, host: options.port })
        .withEnvironment(options.env ?? {});
      if (options.command !== undefined) image = image.withCommand(options.command);
      container = await image.start();
    },
    stop: async () => {
      if (container === undefined) return;
      await (await raw()).stop({ t: 20 }).catch(() => {}); // already stopped is as good
    },
    kill: async (signal) => {
      if (container === undefined) return;
      const inner = await raw();
      if (signal === 'SIGSTOP') await inner.pause();
      else if (signal === 'SIGCONT') await inner.unpause();
      else {
        await inner.kill({ signal });
        await inner.wait();
      }
    },
  };
}
