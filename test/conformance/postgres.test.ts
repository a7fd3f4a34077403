import assert from 'node:assert/strict';
import { conformance } from './harness.ts';
import { canLogIn, hbaBreakages, serverBreakages, settingBreakages } from './postgres-breakages.ts';
import { DATABASE_HOST, installedImage, psql } from './postgres-host.ts';

conformance({
  title: 'a PostgreSQL server of the reference stack',
  sections: { postgres: DATABASE_HOST },
  host: { image: await installedImage() },
  check: async (host) => {
    await canLogIn(host);
    assert.equal((await psql(host, "select datcollate from pg_database where datname = 'todo'")).trim(), 'en_US.UTF-8');
    assert.match(await host.sh('ss -ltnH'), /127\.0\.0\.2:5432/);
  },
  breakages: [...settingBreakages, ...hbaBreakages, ...serverBreakages],
});
