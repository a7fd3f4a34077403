import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandPrivileges, heldBy, parseAcl } from '../../../agent/resources/postgres/acl.ts';
import { privilegeSteps } from '../../../agent/resources/postgres/diff-grants.ts';

void test('an access control list is read with odd names, PUBLIC and grant options', () => {
  const acl = parseAcl(['=Tc/todo', 'todo=CTc/todo', '"Odd-""Role.x"=r*w/postgres', 'todo=c*/other']);
  assert.deepEqual(
    [...heldBy(acl, 'public')],
    [
      ['TEMPORARY', false],
      ['CONNECT', false],
    ],
  );
  assert.deepEqual(
    [...heldBy(acl, 'Odd-"Role.x')],
    [
      ['SELECT', true],
      ['UPDATE', false],
    ],
  );
  assert.equal(heldBy(acl, 'todo').get('CONNECT'), true);
});

void test('ALL is what it stands for in that version', () => {
  assert.deepEqual(expandPrivileges(['ALL'], 'database', 150_000), ['CREATE', 'CONNECT', 'TEMPORARY']);
  assert.ok(!expandPrivileges(['ALL'], 'table', 150_000).includes('MAINTAIN'));
  assert.ok(expandPrivileges(['ALL'], 'table', 170_000).includes('MAINTAIN'));
});

interface Case {
  readonly name: string;
  readonly acl: readonly string[];
  readonly grant?: { readonly ensure?: string; readonly exact?: boolean; readonly grant_option?: boolean };
  readonly to?: string;
  readonly owner?: string;
  readonly wanted: readonly string[];
  readonly steps: readonly string[];
}

const cases: readonly Case[] = [
  { name: 'what is held is not granted again', acl: ['a=rw/o'], wanted: ['SELECT', 'UPDATE'], steps: [] },
  { name: 'only what lacks is granted', acl: ['a=r/o'], wanted: ['SELECT', 'UPDATE'], steps: ['grant UPDATE'] },
  {
    name: 'a missing grant option is granted',
    acl: ['a=r/o'],
    grant: { grant_option: true },
    wanted: ['SELECT'],
    steps: ['grant WITH GRANT OPTION SELECT'],
  },
  {
    name: 'a grant option too many is revoked',
    acl: ['a=r*/o'],
    wanted: ['SELECT'],
    steps: ['revoke GRANT OPTION FOR SELECT'],
  },
  { name: 'other privileges stay', acl: ['a=rwd/o'], wanted: ['SELECT'], steps: [] },
  {
    name: 'exact takes them',
    acl: ['a=rwd/o'],
    grant: { exact: true },
    wanted: ['SELECT'],
    steps: ['revoke UPDATE,DELETE'],
  },
  {
    name: 'absent revokes what is held',
    acl: ['=Tc/o'],
    to: 'PUBLIC',
    grant: { ensure: 'absent' },
    wanted: ['CONNECT', 'CREATE'],
    steps: ['revoke CONNECT'],
  },
  { name: 'absent and not held is nothing', acl: [], grant: { ensure: 'absent' }, wanted: ['CONNECT'], steps: [] },
  {
    name: 'the owner needs no grant option',
    acl: ['a=r/a'],
    owner: 'a',
    grant: { grant_option: true },
    wanted: ['SELECT'],
    steps: [],
  },
];

for (const { name, acl, grant = {}, to = 'a', owner, wanted, steps } of cases) {
  void test(name, () => {
    const question = {
      grant: { ensure: 'present', exact: false, grant_option: false, ...grant },
      acl: parseAcl(acl),
      to,
      wanted,
      owner,
    };
    const said = privilegeSteps(question).map(({ verb, option, privileges }) =>
      [verb, option, privileges.join()].filter((word) => word !== '').join(' '),
    );
    assert.deepEqual(said, steps);
  });
}
