import { conformance } from './harness.ts';
import { canLogIn, databaseBreakages, roleBreakages } from './postgres-breakages.ts';
import { DATABASE_HOST, installedImage } from './postgres-host.ts';

conformance({
  title: 'roles and databases of the reference stack',
  sections: { postgres: DATABASE_HOST },
  host: { image: await installedImage() },
  check: canLogIn,
  breakages: [...roleBreakages, ...databaseBreakages],
});
