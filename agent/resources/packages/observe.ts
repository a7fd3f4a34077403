import type { HostReader } from '../../host/host.ts';
import { isInstalled, providers } from './providers.ts';
import { isSettled } from './settled.ts';
import type { Compared, PackagesSpec, PackagesState } from './state.ts';

/** After a refresh that failed, how long until one is due for its age again: a host without network must have its peace. */
const RETRY_REFRESH_MS = 3_600_000;

export async function observe(spec: PackagesSpec, host: HostReader): Promise<PackagesState> {
  const [installed, automatic] = [await host.packages.installed(), await host.packages.automatic()];
  const declared = Object.entries(spec.packages);
  const virtual = declared.some(([name]) => !isInstalled(installed.get(name))) ? providers(installed) : undefined;
  const compared = declared.map(([name, one]): Compared => {
    const own = installed.get(name);
    const provider = isInstalled(own) ? undefined : virtual?.get(name);
    return { name, declared: one, installed: own, provider, automatic: automatic.has(name), candidate: undefined };
  });
  const open = compared.filter((one) => !isSettled(one)).map((one) => one.name);
  const candidates = await host.packages.candidates(open);
  return {
    packages: compared.map((one) =>
      candidates.has(one.name) ? { ...one, candidate: candidates.get(one.name) ?? 'unknown' } : one,
    ),
    interrupted: await host.packages.interrupted(),
    refreshDue_ms: await refreshDue(spec, host),
  };
}

async function refreshDue(spec: PackagesSpec, host: HostReader): Promise<number | undefined> {
  const ages = Object.values(spec.packages).flatMap((one) => (one.ensure === 'latest' ? [one.refresh] : []));
  if (ages.length === 0) return undefined;
  const age_ms = host.now() - (await host.packages.listsFetched_ms());
  const tried_ms = host.now() - (await host.packages.refreshTried_ms());
  const limit_ms = Math.min(...ages);
  return age_ms > limit_ms && tried_ms > Math.min(limit_ms, RETRY_REFRESH_MS) ? age_ms : undefined;
}
