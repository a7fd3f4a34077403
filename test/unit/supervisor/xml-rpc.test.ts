import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tidy } from '../../../agent/host/supervisor/check.ts';
import { parseDaemonConfig } from '../../../agent/host/supervisor/config.ts';
import { parseChanges, parseProcesses } from '../../../agent/host/supervisor/linux.ts';
import { decodeResponse, encodeCall, XmlRpcFault } from '../../../agent/host/supervisor/xml-rpc.ts';

const response = (value: string) =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>${value}</value>\n</param>\n</params>\n</methodResponse>\n`;

describe('XML-RPC', () => {
  it('escapes what is sent', () => {
    const call = encodeCall('supervisor.startProcess', ['a<b>&c', false, -3]);
    assert.match(call, /<string>a&lt;b&gt;&amp;c<\/string>/);
    assert.match(call, /<boolean>0<\/boolean>/);
    assert.match(call, /<int>-3<\/int>/);
  });

  const values: readonly (readonly [string, unknown])[] = [
    ['<string>a &lt; b &amp;&#233;</string>', 'a < b &é'],
    ['<string></string>', ''],
    ['plain', 'plain'],
    ['<int>-7</int>', -7],
    ['<double>1.5</double>', 1.5],
    ['<boolean>1</boolean>', true],
    ['<nil/>', null],
    ['<array><data>\n</data></array>', []],
    ['<array><data>\n<value><int>1</int></value>\n<value><string>x</string></value>\n</data></array>', [1, 'x']],
    ['<struct>\n<member>\n<name>a</name>\n<value><int>1</int></value>\n</member>\n</struct>', { a: 1 }],
  ];
  for (const [xml, value] of values) {
    it(`reads ${xml.replaceAll('\n', '')}`, () => assert.deepEqual(decodeResponse(response(xml)), value));
  }

  it('throws a fault with its code', () => {
    const fault =
      '<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><int>92</int></value></member><member><name>faultString</name><value><string>CANT_REREAD: x</string></value></member></struct></value></fault></methodResponse>';
    assert.throws(
      () => decodeResponse(fault),
      (error) => error instanceof XmlRpcFault && error.code === 92 && error.message === 'CANT_REREAD: x',
    );
  });

  it('refuses what is no XML-RPC', () => {
    assert.throws(() => decodeResponse('<html>no</html>'), /expected <methodResponse>/);
  });
});

describe('answers of supervisord', () => {
  it('unwraps the changes of reloadConfig', () => {
    assert.deepEqual(parseChanges([[['a'], [], ['b', 'c']]]), { added: ['a'], changed: [], removed: ['b', 'c'] });
  });

  it('reads a process', () => {
    const info = { group: 'g', name: 'n', statename: 'RUNNING', pid: 3, start: 10, spawnerr: '', exitstatus: 0 };
    assert.deepEqual(parseProcesses([info]), [
      { group: 'g', name: 'n', state: 'RUNNING', pid: 3, started_ms: 10_000, spawnError: '', exitStatus: 0 },
    ]);
  });
});

describe('supervisord.conf', () => {
  it('gives socket, password, pid file and includes', () => {
    const text = `[unix_http_server]
file=%(here)s/run.sock   ; the socket
username = me
password = p%%w
[supervisord]
pidfile=/run/s.pid
[include]
files = conf.d/*.conf
  /srv/*.ini ; more`;
    assert.deepEqual(parseDaemonConfig('/etc/supervisor/supervisord.conf', text), {
      file: '/etc/supervisor/supervisord.conf',
      socketPath: '/etc/supervisor/run.sock',
      username: 'me',
      password: 'p%w',
      pidFile: '/run/s.pid',
      includes: ['/etc/supervisor/conf.d/*.conf', '/srv/*.ini'],
    });
  });
});

describe("supervisor's complaints", () => {
  const cases: readonly (readonly [string, string])[] = [
    [
      "File contains no section headers.\nfile: '/x.conf', line: 1\n'hunter2\\n'",
      "File contains no section headers. file: '/x.conf', line: 1",
    ],
    [
      "Source contains parsing errors: '/x.conf'\n\t[line  3]: 'hunter2\\n'",
      "Source contains parsing errors: '/x.conf' [line  3]",
    ],
    [
      "Format string 'A=\"hunter2%\"' for 'program:x.environment' is badly formatted: incomplete format",
      "Format string *** for 'program:x.environment' is badly formatted: incomplete format",
    ],
    [
      "Unexpected end of key/value pairs in value 'A=hunter2 B' in section 'program:x' (file: '/x.conf')",
      "Unexpected end of key/value pairs in section 'program:x' (file: '/x.conf')",
    ],
  ];
  for (const [said, shown] of cases) {
    it(`shows "${shown.slice(0, 40)}…" without the quoted line`, () => assert.equal(tidy(said), shown));
  }
});
