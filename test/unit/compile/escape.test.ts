import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  escapeFor,
  type Quote,
  QuoteTracker,
  Refused,
  type Target,
  targetOf,
} from '../../../controller/compile/escape.ts';

const written: readonly (readonly [Target, Quote, string, string])[] = [
  ['nginx', '', 'todo.example.com', 'todo.example.com'],
  ['nginx', '', '/var/www/$', '/var/www/$'],
  ['nginx', '"', 'a "b" \\ c', 'a \\"b\\" \\\\ c'],
  ['nginx', "'", `it's "x"`, `it\\'s "x"`],
  ['ini', '', 'a%b', 'a%b'],
  ['supervisor', '', 'a%b', 'a%%b'],
  ['shell', '', 'plain-1.2/x', 'plain-1.2/x'],
  ['shell', '', 'a b; rm -rf /', `'a b; rm -rf /'`],
  ['shell', '', '', "''"],
  ['shell', "'", "it's", "it'\\''s"],
  ['shell', '"', '$(id) `id` "x" \\', '\\$(id) \\`id\\` \\"x\\" \\\\'],
  ['sql', "'", "O'Brien; DROP", "O''Brien; DROP"],
  ['sql', '"', 'a"b', 'a""b'],
  ['sql', '', 'todo', 'todo'],
  ['sql', '', '42', '42'],
  ['yaml', '', '10.0.0.1', '10.0.0.1'],
  ['yaml', '', 'http://x/y', 'http://x/y'],
  ['yaml', '"', 'a"b\nc', 'a\\"b\\nc'],
  ['yaml', "'", "it's", "it''s"],
  ['json', '"', 'a"b\\', 'a\\"b\\\\'],
  ['json', '', '5', '5'],
  ['json', '', 'text', '"text"'],
  ['html', '', '<a href="x">&', '&#60;a href=&#34;x&#34;&#62;&#38;'],
  ['text', '', 'any "thing"\n', 'any "thing"\n'],
];

for (const [target, quote, value, expected] of written) {
  test(`${target} takes ${JSON.stringify(value)} ${quote === '' ? 'bare' : `inside ${quote}`} as ${JSON.stringify(expected)}`, () => {
    assert.equal(escapeFor(target, value, quote), expected);
  });
}

const refused: readonly (readonly [Target, Quote, string])[] = [
  ['nginx', '', ''],
  ['nginx', '', 'a;b'],
  ['nginx', '', 'a b'],
  ['nginx', '', '{'],
  ['nginx', '"', 'a\nb'],
  ['nginx', '"', '$host'],
  ['nginx', '', '${x}'],
  ['ini', '', 'a\nb'],
  ['supervisor', '', 'a ;b'],
  ['sql', '', 'a; DROP TABLE x'],
  ['yaml', '', 'a: b'],
  ['yaml', '', '- a'],
  ['yaml', '', '!x'],
  ['yaml', '', ''],
  ['yaml', "'", 'a\nb'],
  ['text', '', 'a\0b'],
  ['shell', "'", 'a\0b'],
];

for (const [target, quote, value] of refused) {
  test(`${target} refuses ${JSON.stringify(value)} ${quote === '' ? 'bare' : `inside ${quote}`}`, () => {
    assert.throws(() => escapeFor(target, value, quote), Refused);
  });
}

const places: readonly (readonly [Target, string, Quote])[] = [
  ['nginx', 'server_name ', ''],
  ['nginx', 'add_header X "', '"'],
  ['nginx', `# it's a comment\nserver_name "`, '"'],
  ['nginx', `add_header X "a\\"b`, '"'],
  ['nginx', `add_header X "a"; # don't\nroot `, ''],
  ['nginx', 'rewrite ^/a#b "', '"'],
  ['shell', `echo 'a' "b`, '"'],
  ['shell', `echo 'a\\`, "'"],
  ['shell', `# don't\nX=`, ''],
  ['sql', `-- don't\nSELECT '`, "'"],
  ['sql', `SELECT 'O''Brien`, "'"],
  ['yaml', `name: it's "fine`, ''],
  ['yaml', `name: "`, '"'],
  ['yaml', `a:\n  - "x": '`, "'"],
  ['nginx', `location ~ ^/it's "`, '"'],
  ['yaml', `list: ['`, "'"],
  ['json', '{"a": "', '"'],
  ['json', '{"a": ', ''],
  ['ini', `a = "`, ''],
];

for (const [target, before, expected] of places) {
  test(`in ${target}, what follows ${JSON.stringify(before)} stands ${expected === '' ? 'outside of quotes' : `inside ${expected}`}`, () => {
    const tracker = new QuoteTracker(target);
    tracker.feed(before);
    assert.equal(tracker.quote(), expected);
  });
}

test('the target of a template follows from the kind, or from the ending before .mustache', () => {
  assert.equal(targetOf('sites/todo.conf.mustache', 'nginx'), 'nginx');
  assert.equal(targetOf('nginx/status.conf.mustache', 'files'), 'nginx');
  assert.equal(targetOf('todo.conf', 'supervisor'), 'supervisor');
  assert.equal(targetOf('a/postgres.yaml.mustache', 'files'), 'yaml');
  assert.equal(targetOf('maintenance/index.html.mustache', 'files'), 'html');
  assert.equal(targetOf('motd.mustache', 'files'), 'text');
});
