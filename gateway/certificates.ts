/**
 * A certificate that was renewed in its files is taken without a restart: the files are looked at every LOOK_MS, and read again
 * when what they hold is another. A renewal writes two files, one after the other: what does not fit together is tried again
 * at each look, and until then the certificate before it serves.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { clock, type Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { counter } from '../base/metrics.ts';
import type { TlsFiles } from './server.ts';

const LOOK_MS = 10_000;

const reloads = counter('presence_gateway_certificate_reloads_total', 'Renewed certificates, by whether they could be used.', [
  'result',
]);

export interface CertificateWatch {
  close(): void;
}

/** `reload` throws where the files cannot be used. `every_ms`: default 10,000. */
export async function watchCertificate(
  files: TlsFiles,
  options: { readonly reload: () => void; readonly logger: Logger; readonly every_ms?: number },
): Promise<CertificateWatch> {
  const { reload, logger, every_ms = LOOK_MS } = options;
  let held = await fingerprint(files);
  let faulty: string | null = null;
  const look = async (): Promise<void> => {
    const found = await fingerprint(files);
    if (found === null || found === held) return;
    try {
      reload();
      held = found;
      faulty = null;
      reloads.inc({ result: 'taken' });
      logger.info({ cert_file: files.certFile }, 'The renewed certificate is in use.');
    } catch (error) {
      // Said once for what is there.
      if (faulty !== found) logger.error({ err: error }, 'A renewed certificate cannot be used; the one before it serves.');
      faulty = found;
      reloads.inc({ result: 'refused' });
    }
  };
  let looking = false;
  const timer: Timer = clock.setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => {
      looking = false;
    });
  }, every_ms);
  timer.unref();
  return { close: () => clock.clearInterval(timer) };
}

/** null where a file is away just now. */
async function fingerprint({ certFile, keyFile }: TlsFiles): Promise<string | null> {
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    return createHash('sha256').update(cert).update(key).digest('hex');
  } catch {
    return null;
  }
}
