import type { Case } from '../case.ts';

export const accounts: readonly Case[] = [
  {
    name: "the application's user gets a shell",
    on: 'web',
    by: 'usermod --shell /bin/bash todo',
    resource: 'users/todo',
    says: /^set shell \/usr\/sbin\/nologin \(is \/bin\/bash\)$/,
    healed: "getent passwd todo | grep -q ':/usr/sbin/nologin$'",
  },
  {
    name: "the application's user is moved to another group and home",
    on: 'web',
    by: "sed -i -E 's#^(todo:x:[0-9]+):[0-9]+:([^:]*):[^:]*:#\\1:65534:\\2:/tmp:#' /etc/passwd",
    resource: 'users/todo',
    says: /^set group webapps \(is gid 65534\), home \/srv\/todo \(is \/tmp\)$/,
    healed: 'test "$(id -gn todo)" = webapps; getent passwd todo | grep -q ":/srv/todo:"',
    touches: ['users/todo', 'groups/webapps'],
  },
];
