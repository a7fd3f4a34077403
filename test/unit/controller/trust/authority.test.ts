import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { Authority, BadRequestForCertificate, HOST_CERTIFICATE_MS } from '../../../../controller/trust/authority.ts';
import { ServerCertificate, serverNames } from '../../../../controller/trust/server-certificate.ts';
import { keyFor } from '../../../controller/call.ts';
import { mustRun } from '../../../hosts/process.ts';
import { scratch } from '../../../programs/controller/git.ts';
import { quiet } from './support.ts';

const now_ms = (): number => Date.now();

test('the authority is made once, its key for its owner alone, and is the same at the next start', async (context) => {
  const stateDirectory = join(await scratch(context), 'state');
  const first = await Authority.open({ stateDirectory, now_ms });
  assert.equal((await stat(join(stateDirectory, 'ca.key'))).mode & 0o777, 0o600);
  const again = await Authority.open({ stateDirectory, now_ms });
  assert.equal(again.pin, first.pin);
  await rm(join(stateDirectory, 'ca.crt'));
  const mended = await Authority.open({ stateDirectory, now_ms });
  assert.notEqual(mended.pin, first.pin, 'a kill between key and certificate is mended by another certificate');
});

test('a key that is gone or belongs to another certificate keeps the controller from starting', async (context) => {
  const stateDirectory = join(await scratch(context), 'state');
  await Authority.open({ stateDirectory, now_ms });
  const other = join(await scratch(context), 'state');
  await Authority.open({ stateDirectory: other, now_ms });
  await writeFile(join(stateDirectory, 'ca.key'), await readFile(join(other, 'ca.key')));
  await assert.rejects(Authority.open({ stateDirectory, now_ms }), /ca\.crt: it does not belong to .*ca\.key/);
  await rm(join(stateDirectory, 'ca.key'));
  await assert.rejects(Authority.open({ stateDirectory, now_ms }), /ca\.key: there is none; restore it from a backup/);
  const shared = { certificateFile: join(other, 'ca.crt'), keyFile: join(other, 'none') };
  await assert.rejects(
    Authority.open({ stateDirectory, now_ms, ...shared }),
    /none: there is none; restore it from a backup$/,
  );
});

test('an authority that openssl made, as docs/controller.md has it, is as good', async (context) => {
  const folder = await scratch(context);
  const [certificateFile, keyFile] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
  await mustRun(
    [
      ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ['-days', '3650', '-subj', '/CN=Holdfast', '-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0'],
      ['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', keyFile, '-out', certificateFile],
    ].flat(),
  );
  const authority = await Authority.open({ stateDirectory: folder, certificateFile, keyFile, now_ms });
  const { pem } = await authority.issueHost('web-1', keyFor('web-1').csr);
  await writeFile(join(folder, 'host.crt'), pem);
  const strict = ['openssl', 'verify', '-x509_strict', '-CAfile', certificateFile];
  await mustRun([...strict, '-purpose', 'sslclient', join(folder, 'host.crt')]);
  await assert.rejects(mustRun([...strict, '-purpose', 'sslserver', join(folder, 'host.crt')]), /unsuitable/);
});

test('a host certificate names its host alone, is for clients, lives 90 days, and no two have one serial', async (context) => {
  const stateDirectory = join(await scratch(context), 'state');
  const authority = await Authority.open({ stateDirectory, now_ms });
  const { csr } = keyFor('liar-1');
  const issued = await authority.issueHost('web-1', csr);
  const certificate = new X509Certificate(issued.pem);
  assert.equal(certificate.subject, 'CN=web-1');
  assert.equal(certificate.subjectAltName, 'DNS:web-1');
  assert.equal(certificate.ca, false);
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.equal(issued.fingerprint, certificate.fingerprint256.replaceAll(':', '').toLowerCase());
  assert.ok(Math.abs(issued.expires_ms - now_ms() - HOST_CERTIFICATE_MS) < 10_000);
  assert.notEqual((await authority.issueHost('web-1', csr)).serial, issued.serial);
  const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.example`;
  assert.equal(new X509Certificate((await authority.issueHost(long, csr)).pem).subjectAltName, `DNS:${long}`);
  for (const name of ['../x', 'a/b', 'A', 'a b', 'a,DNS:b', '']) {
    await assert.rejects(authority.issueHost(name, csr), BadRequestForCertificate, name);
  }
});

test('what is no request, is not proved, or has a key of another kind is not signed', async (context) => {
  const folder = await scratch(context);
  const authority = await Authority.open({ stateDirectory: join(folder, 'state'), now_ms });
  const rsa = await mustRun(
    [
      ['openssl', 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=web-1'],
      ['-keyout', join(folder, 'rsa.key')],
    ].flat(),
  );
  const { csr } = keyFor('web-1');
  const der = Buffer.from(csr.replaceAll(/-----.*-----|\n/g, ''), 'base64');
  // One bit of the name: what was signed is another name then.
  const at = der.indexOf('web-1');
  der[at] = 'x'.charCodeAt(0);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  for (const text of ['', 'x', rsa, forged, csr.slice(0, 120), authority.certificate]) {
    await assert.rejects(authority.checkRequest(text), BadRequestForCertificate, text.slice(0, 60));
  }
  await authority.checkRequest(csr);
});

test('the certificate of the controller is renewed while it serves, without a restart', async (context) => {
  const clock = { now_ms: Date.now() };
  const authority = await Authority.open({
    stateDirectory: join(await scratch(context), 'state'),
    now_ms: () => clock.now_ms,
  });
  const certificate = await ServerCertificate.issue({ authority, names: ['localhost'], now_ms: () => clock.now_ms });
  const server: Server = createServer(certificate.context, (_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const serial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: 'localhost', port, ca: authority.certificate }, () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });
  const first = await serial();
  assert.equal(await certificate.renewIfDue(server, quiet), false);
  assert.equal(await serial(), first);
  clock.now_ms += 20.1 * 86_400_000;
  assert.equal(await certificate.renewIfDue(server, quiet), true);
  assert.ok(certificate.expires_ms > clock.now_ms + 29 * 86_400_000);
  // The clock of this machine has not moved: the new one is dated from a few minutes before its making, in 20 days.
  await assert.rejects(serial(), { code: 'CERT_NOT_YET_VALID' });
});

test('the controller is known by the names that it is given, or else by its own; by the loopback in any case', () => {
  assert.deepEqual(serverNames(['holdfast.example'], '0.0.0.0'), ['holdfast.example', 'localhost', '127.0.0.1', '::1']);
  assert.ok(serverNames([], '10.9.8.7').includes('10.9.8.7'));
  assert.ok(!serverNames([], '::').includes('::'));
});
