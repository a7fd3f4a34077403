/** The peers' own templates (CFEngine's, which are Mustache), so that all tools bring about the same bytes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import mustache from 'mustache';
import { peersFolder } from './image.ts';

/** As in `ansible/vars.yml`. */
export const VALUES = {
  app: 'todo',
  app_user: 'todo',
  app_group: 'webapps',
  app_dir: '/webapps/todo',
  venv_dir: '/webapps/todo_venv',
  server_name: 'todo.local',
  db_name: 'todo',
  db_user: 'todo',
  db_password: 's3cret-todo',
  dd_user: 'datadog',
  dd_password: 's3cret-dd',
  workers: '2',
} as const;

export function rendered(template: string, more: Readonly<Record<string, string>> = {}): string {
  const folder = peersFolder();
  if (folder === undefined) throw new Error('the peers’ definitions are not beside the checkout: ../shared/peers');
  const text = readFileSync(join(folder, 'cfengine/templates', `${template}.mustache`), 'utf8');
  return mustache.render(text, { ...VALUES, ...more }, undefined, { escape: (value) => String(value) });
}
