import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseAutomatic } from '../../../agent/host/packages/extended-states.ts';
import { parsePolicy } from '../../../agent/host/packages/policy.ts';
import { parseStatus } from '../../../agent/host/packages/status.ts';
import { parseSimulation, undeclaredEffects } from '../../../agent/resources/packages/simulation.ts';

const STATUS = `Package: dpkg
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 1.21.22
Description: Debian package management system
 Package: not a field, because it is indented
 .
 Ünïcode

Package: exim4-daemon-light
Status: hold ok installed
Architecture: amd64
Provides: exim4-localscanapi-4.1, mail-transport-agent, default-mta (= 4.96)
Version: 4.96-15

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9

Package: tzdata
Status: deinstall ok config-files
Architecture: all
Version: 2024a-0

Package: gone
Status: unknown ok not-installed
Architecture: amd64

Package: half
Status: install reinstreq half-configured
Architecture: amd64
Version: 1.0`;

describe("dpkg's status", () => {
  const installed = parseStatus(Buffer.from(STATUS));

  test('has every package that is or was there, by name, and a foreign one with its architecture', () => {
    assert.deepEqual([...installed.keys()], ['dpkg', 'exim4-daemon-light', 'libc6:i386', 'tzdata', 'half']);
  });

  test('tells version, want, status and what is provided', () => {
    assert.deepEqual(installed.get('exim4-daemon-light'), {
      name: 'exim4-daemon-light',
      architecture: 'amd64',
      version: '4.96-15',
      want: 'hold',
      status: 'installed',
      provides: ['exim4-localscanapi-4.1', 'mail-transport-agent', 'default-mta'],
    });
    assert.equal(installed.get('tzdata')?.status, 'config-files');
    assert.equal(installed.get('half')?.status, 'half-configured');
  });

  test('is empty for an empty file and survives garbage', () => {
    assert.equal(parseStatus(Buffer.alloc(0)).size, 0);
    assert.equal(parseStatus(Buffer.from('\n\n\n\nPackage\nStatus: x\n\n\0\0\0')).size, 0);
  });
});

test("apt's marks name the packages that it installed by itself", () => {
  const text =
    'Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: b\nArchitecture: amd64\nAuto-Installed: 0\n\n';
  assert.deepEqual(parseAutomatic(text), [{ name: 'a', architecture: 'amd64' }]);
});

test('the policy tells candidates, all versions, and virtual packages', () => {
  const output = `mail-transport-agent:
  Installed: (none)
  Candidate: (none)
  Version table:
nginx:
  Installed: 1.22.1-9+deb12u9
  Candidate: 1.22.1-9+deb12u11
  Version table:
     1.22.1-9+deb12u11 500
        500 http://mirror.example.org/debian-security bookworm-security/main amd64 Packages
 *** 1.22.1-9+deb12u9 500
        500 http://mirror.example.org/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
     1.0 -1
        500 http://example.org ./ Packages
`;
  assert.deepEqual(
    parsePolicy(output),
    new Map([
      ['mail-transport-agent', { version: undefined, versions: [] }],
      ['nginx', { version: '1.22.1-9+deb12u11', versions: ['1.22.1-9+deb12u11', '1.22.1-9+deb12u9', '1.0'] }],
    ]),
  );
});

describe('a simulation of apt-get', () => {
  const simulation = parseSimulation(`Reading package lists...
Remv apache2 [2.4.57-2]
Purg old [1.0]
Inst bash [5.2-1] (5.2-2 Debian:12.5/stable [amd64])
Inst nginx (1.22.1-9 Debian:12.5/stable [amd64]) []
Conf nginx (1.22.1-9 Debian:12.5/stable [amd64])
`);

  test('tells what is installed and removed', () => {
    assert.deepEqual(simulation, {
      installs: [
        { name: 'bash', from: '5.2-1', to: '5.2-2' },
        { name: 'nginx', from: undefined, to: '1.22.1-9' },
      ],
      removes: ['apache2', 'old'],
    });
  });

  test('is no surprise where all of it was declared or is a new dependency', () => {
    const steps = [
      { do: 'remove', name: 'apache2', from: '2.4.57-2' },
      { do: 'remove', name: 'old', from: '1.0' },
    ] as const;
    assert.deepEqual(undeclaredEffects(simulation, steps, new Map()), []);
  });

  test('surprises by a removal, a downgrade, and a change of a held package that nobody declared', () => {
    const held = { architecture: 'amd64', want: 'hold', status: 'installed', provides: [] };
    const installed = new Map([['bash', { ...held, name: 'bash', version: '5.2-1' }]]);
    assert.deepEqual(undeclaredEffects(simulation, [], installed), [
      'remove apache2',
      'remove old',
      'change the held package bash from 5.2-1 to 5.2-2',
    ]);
    const downgrade = parseSimulation('Inst a [2.0] (1.0 x [all])\n');
    assert.deepEqual(undeclaredEffects(downgrade, [], new Map()), ['downgrade a from 2.0 to 1.0']);
  });
});
