import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client, startRig } from './harness.ts';

const openssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.skipIf(!openssl)('with a certificate and key, HTTP and the stream are served over TLS', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tls-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=localhost',
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ],
    { stdio: 'ignore' },
  );
  const rig = await startRig({ tls: { certFile, keyFile } });
  expect(rig.url).toMatch(/^https:/);
  const status = await new Promise((resolve, reject) => {
    request(`${rig.url}/healthz`, { rejectUnauthorized: false }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(200);
  const client = await new Client(rig.url, { rejectUnauthorized: false }).ready();
  client.socket.close();
  await rig.close();
});

test('files that are no certificate are a bad setting', async () => {
  await expect(startRig({ tls: { certFile: '/nowhere/cert.pem', keyFile: '/nowhere/key.pem' } })).rejects.toMatchObject({
    code: 'BAD_SETTING',
  });
});
