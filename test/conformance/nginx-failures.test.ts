/** What nginx or the host refuses: nothing of it may be switched, the old site serves on, and the error says why. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Host, startHost } from '../hosts/host.ts';
import { AgentOnHost, resourceOf, type Sections } from './agent-on-host.ts';
import { CERTIFICATE, get, INSTALL_NGINX, NGINX, nginxSections, withSite } from './nginx-site.ts';

let host: Host;
let agent: AgentOnHost;

before(async () => {
  host = await startHost();
  agent = await AgentOnHost.install(host);
  await host.sh(`${INSTALL_NGINX}\n${CERTIFICATE}`);
  await converge(nginxSections());
});

after(() => host.dispose());

async function converge(sections: Sections): Promise<void> {
  await agent.writeManifest(sections);
  const { code, result } = await agent.run();
  assert.equal(code, 0, resourceOf(result, NGINX).error);
}

/** Runs with `sections`, expects the error, and that the host serves as if nothing had been tried. */
async function refuses(sections: Sections, error: RegExp): Promise<string> {
  const tree = await host.sh('cd /etc/nginx && find . -type f -o -type l | sort | xargs sha256sum');
  await agent.writeManifest(sections);
  const { code, result } = await agent.run();
  const resource = resourceOf(result, NGINX);
  assert.equal(code, 1);
  assert.match(resource.error ?? '', error);
  assert.equal(await host.sh('cd /etc/nginx && find . -type f -o -type l | sort | xargs sha256sum'), tree);
  assert.equal((await host.sh('ls -A /etc | grep holdfast || true')).trim(), '');
  await host.sh('nginx -t -q');
  assert.equal(await get(host, { port: 80, path: '/' }), 'todo one\n');
  return resource.status;
}

test('a site that nginx cannot read is refused with its name, line and reason, and waits for a new revision', async () => {
  const status = await refuses(
    withSite('broken', 'server {\n  listen 8090;\n  sevrer_name x;\n}\n'),
    /nginx refuses site "broken": unknown directive "sevrer_name" \(sites-enabled\/broken:3\)/,
  );
  assert.equal(status, 'stalled');
});

test('a bad site does not keep the next revision from landing', async () => {
  await refuses(withSite('broken', 'server {'), /site "broken": unexpected end of file/);
  await converge(withSite('third', 'server { listen 8083; location / { return 200 third; } }\n'));
  assert.equal(await get(host, { port: 8083, path: '/' }), 'third');
  await converge(nginxSections({ sites: { ...sitesOf(nginxSections()), third: 'absent' } }));
});

function sitesOf(sections: Sections): object {
  const nginx = sections['nginx'];
  return nginx !== null && typeof nginx === 'object' && 'sites' in nginx ? Object(nginx.sites) : {};
}

test('an upstream that does not resolve is refused', async () => {
  const site =
    'upstream app { server app.invalid:8000; }\nserver { listen 8090; location / { proxy_pass http://app; } }\n';
  const status = await refuses(
    withSite('proxy', site),
    /site "proxy": host not found in upstream "app\.invalid:8000".*does not resolve on this host/,
  );
  assert.equal(status, 'failed', 'the name may resolve later');
});

test('a certificate and a key that do not belong together are refused with the name of the site', async () => {
  await host.sh('openssl genrsa -out /root/other.key 2048 2>/dev/null');
  const site = 'server { listen 8443 ssl; ssl_certificate /root/tls.crt; ssl_certificate_key /root/other.key; }\n';
  await refuses(withSite('secure', site), /site "secure": .*key values mismatch.*do not belong together/);
});

test('a certificate that is not there is refused with the name of the site', async () => {
  const site = 'server { listen 8443 ssl; ssl_certificate /root/none.crt; ssl_certificate_key /root/tls.key; }\n';
  await refuses(withSite('secure', site), /site "secure": cannot load certificate "\/root\/none\.crt"/);
});

/** Another process takes a port. */
async function squat(port: number): Promise<void> {
  const listen = 'my $socket = IO::Socket::INET->new(LocalPort => shift, Listen => 5, ReuseAddr => 1) or die; sleep';
  await host.sh(`setsid perl -MIO::Socket::INET -e '${listen}' ${port} >/dev/null 2>&1 & echo $! >/run/squatter
    until bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null; do kill -0 "$(cat /run/squatter)"; sleep 0.1; done`);
}

const LEAVE = 'kill "$(cat /run/squatter)"; while kill -0 "$(cat /run/squatter)" 2>/dev/null; do sleep 0.1; done';

test('a port that another process holds is found after the reload, the old tree comes back, and the holder is named', async () => {
  await squat(8090);
  const sections = withSite('late', 'server { listen 8090; location / { return 200 late; } }\n');
  await refuses(sections, /bind\(\) to 0\.0\.0\.0:8090 failed .*port 8090 is held by perl \(pid \d+\)/s);
  await host.sh(LEAVE);
  await converge(sections);
  assert.equal(await get(host, { port: 8090, path: '/' }), 'late');
  await converge(nginxSections({ sites: { ...sitesOf(nginxSections()), late: 'absent' } }));
});

test('an undeclared site that nginx cannot load is named, and what waits behind it lands once it is gone', async () => {
  const { purge: _, ...section } = Object(withSite('third', 'server { listen 8083; return 204; }\n')['nginx']);
  await host.sh("printf 'server {\\n  nonsense;\\n}\\n' >/etc/nginx/sites-enabled/by-hand");
  await agent.writeManifest({ nginx: section });
  const { result } = await agent.run();
  const { error, status } = resourceOf(result, NGINX);
  assert.match(
    error ?? '',
    /sites-enabled\/by-hand is not declared here and nginx refuses it: unknown directive "nonsense"/,
  );
  assert.match(error ?? '', /purge: true/);
  assert.equal(status, 'failed');
  assert.equal(await get(host, { port: 80, path: '/' }), 'todo one\n');
  await host.sh('rm /etc/nginx/sites-enabled/by-hand');
  await converge({ nginx: section });
  await converge(nginxSections({ sites: { ...sitesOf(nginxSections()), third: 'absent' } }));
});

test('a port that is taken while nginx is down is named as well', async () => {
  await host.sh('systemctl stop nginx');
  await squat(80);
  const { result } = await agent.run();
  assert.match(resourceOf(result, NGINX).error ?? '', /port 80 is held by perl \(pid \d+\)/);
  await host.sh(LEAVE);
  await converge(nginxSections());
});

test('a reload drops no request', async (t) => {
  const stop = new AbortController();
  let answered = 0;
  const failures: string[] = [];
  const client = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await get(host, { port: 8081, path: '/' });
        answered += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const clients = Array.from({ length: 4 }, client);
  for (let round = 0; round < 10; round += 1) {
    await converge(withSite('third', `server { listen 8083; return 200 "${round}"; }\n`));
    assert.equal(await get(host, { port: 8083, path: '/' }), String(round));
  }
  stop.abort();
  await Promise.all(clients);
  t.diagnostic(`${answered} requests answered over 10 changes of the tree, ${failures.length} failed`);
  assert.deepEqual(failures, []);
  assert.ok(answered > 500, `only ${answered} requests were made`);
});

test('kill -9 at any moment leaves a tree that nginx loads and a host that the next run converges', async (t) => {
  const KILLS = 25;
  let killed = 0;
  for (let round = 0; round < KILLS; round += 1) {
    await agent.writeManifest(withSite('third', `server { listen 8083; return 200 "kill ${round}"; }\n`));
    const run = agent.host.exec([
      'timeout',
      '--signal=KILL',
      (0.1 + round * 0.04).toFixed(2),
      'holdfast-agent',
      'run',
      '--once',
    ]);
    if ((await run).code !== 0) killed += 1;
    await host.sh('nginx -t -q');
    assert.equal(await get(host, { port: 80, path: '/' }), 'todo one\n');
    if (round % 5 !== 4) continue;
    const { code, result } = await agent.run();
    assert.equal(code, 0, resourceOf(result, NGINX).error);
    assert.equal(await get(host, { port: 8083, path: '/' }), `kill ${round}`);
    assert.equal((await host.sh('ls -A /etc | grep holdfast || true')).trim(), '');
  }
  t.diagnostic(`${killed} of ${KILLS} runs were killed`);
  assert.ok(killed >= 5 && killed < KILLS, 'the delays do not fit this machine: kill some runs, not none and not all');
});
