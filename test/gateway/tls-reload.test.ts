/** A certificate renewed in its files: who is connected stays, who comes gets it; what cannot be used changes nothing. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { Client, eventually, startRig } from './harness.ts';

const openssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];

function issue(name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.cert`), join(folder, `${name}.key`)];
  const made = `-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=${name}`;
  const words = `req -x509 ${made} -keyout ${key} -out ${cert}`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
  return { cert, key };
}

function install({ cert, key }: { cert: string; key: string }): void {
  copyFileSync(cert, certFile);
  copyFileSync(key, keyFile);
}

/** Whose certificate a newcomer is shown. */
const shown = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const subject = socket.getPeerCertificate().subject as { readonly CN?: string };
      resolve(String(subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });

/** As a client does: who came in the very turn in which certificates changed is cut off (server.ts), and comes again. */
const shownAtLast = (url: string): Promise<string> => shown(url).catch(() => 'cut off');

const health = (url: string, agent: Agent): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(`${url}/healthz`, { rejectUnauthorized: false, agent }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    })
      .on('error', reject)
      .end();
  });

test.skipIf(!openssl)('a renewed certificate is taken without dropping a connection', async () => {
  install(issue('first'));
  const rig = await startRig({ tls: { certFile, keyFile }, tlsLook_ms: 50 });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const before = await new Client(rig.url, { rejectUnauthorized: false }).ready();
  expect([await shown(rig.url), await health(rig.url, agent)]).toEqual(['first', 200]);

  for (const name of ['second', 'third']) {
    install(issue(name));
    await eventually(async () => (await shownAtLast(rig.url)) === name, `the ${name} certificate`);
  }
  // The stream and the kept connection of before go on where they were, beside those that came since.
  const after = await new Client(rig.url, { as: 'dev:bob', rejectUnauthorized: false }).ready();
  before.say({ type: 'subscribe', user_ids: ['cyd'] });
  expect((await before.next('snapshot')).presences).toMatchObject([{ user_id: 'cyd' }]);
  after.say({ type: 'subscribe', user_ids: ['cyd'] });
  expect((await after.next('snapshot')).presences).toMatchObject([{ user_id: 'cyd' }]);
  expect(await health(rig.url, agent)).toBe(200);

  // Half of a renewal, then rubbish: the one in use serves on.
  copyFileSync(issue('fourth').cert, certFile);
  await new Promise((later) => setTimeout(later, 200));
  writeFileSync(keyFile, 'rubbish');
  await new Promise((later) => setTimeout(later, 200));
  expect(await shown(rig.url)).toBe('third');
  install(issue('fifth'));
  await eventually(async () => (await shownAtLast(rig.url)) === 'fifth', 'the fifth certificate');

  await rig.gateway.close({ within_ms: 200 });
  expect((await before.closed).code).toBe(1012);
  expect((await after.closed).code).toBe(1012);
  agent.destroy();
  await rig.close();
});
