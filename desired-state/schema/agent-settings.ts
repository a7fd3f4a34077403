import * as v from 'valibot';
import { duration } from './values.ts';

/** The compiled form, as it stands in a manifest: everything is there, durations are milliseconds. */
export const agentSettingsSchema = v.strictObject({
  /** A cron expression; the agent adds a splay hashed from the host's name. */
  schedule: v.string(),
  splay_ms: v.number(),
  /** After a failed resource: first retry, and the cap of the doubling delay. */
  retryFirst_ms: v.number(),
  retryMax_ms: v.number(),
  statusPort: v.number(),
  statsd: v.strictObject({ host: v.string(), port: v.number(), socket: v.optional(v.string()), prefix: v.string() }),
  tags: v.array(v.string()),
});
export type AgentSettings = v.InferOutput<typeof agentSettingsSchema>;

const CRON_FIELD = String.raw`(?:\*|[\w,-]+)(?:\/\d+)?`;
const port = (fallback: number, description: string) => {
  const expected = 'expected a port number from 1 to 65535';
  const number = v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(1, expected),
    v.maxValue(65_535, expected),
    v.description(description),
  );
  return v.optional(number, fallback);
};

/** The section `agent:` as a user writes it. */
export const agentSection = v.strictObject({
  schedule: v.optional(
    v.pipe(
      v.string('expected a cron expression such as "*/5 * * * *"'),
      v.regex(new RegExp(`^(?:${CRON_FIELD} ){4,5}${CRON_FIELD}$`), 'expected a cron expression such as "*/5 * * * *"'),
      v.description(
        'When to reconcile though nothing seems to have changed, as a cron expression of five or six fields.',
      ),
    ),
    '*/5 * * * *',
  ),
  splay: v.optional(
    v.pipe(duration, v.description('Each host adds a delay of its own up to this, so that not all run at once.')),
    '60s',
  ),
  retry: v.optional(
    v.strictObject({
      first: v.optional(v.pipe(duration, v.description('Delay of the first retry after a failure; it doubles.')), '5s'),
      max: v.optional(v.pipe(duration, v.description('Longest delay between retries.')), '5m'),
    }),
    {},
  ),
  statusPort: port(9475, 'Port of the status endpoint on loopback.'),
  statsd: v.optional(
    v.strictObject({
      host: v.optional(v.pipe(v.string(), v.description('Where the DogStatsD server listens.')), '127.0.0.1'),
      port: port(8125, 'Its UDP port.'),
      socket: v.optional(v.pipe(v.string(), v.description('Its unix socket, used instead of UDP where given.'))),
      prefix: v.optional(v.pipe(v.string(), v.description('Put before every metric name.')), 'holdfast.'),
    }),
    {},
  ),
  tags: v.optional(
    v.pipe(
      v.array(
        v.pipe(
          v.string(),
          v.regex(
            /^(?!host:)[a-z][\w./:-]*$/i,
            'expected a tag such as "env:staging", but not "host:…", which the Datadog Agent sets',
          ),
        ),
        'expected a list of tags',
      ),
      v.description('Tags on every metric, event and service check.'),
    ),
    [],
  ),
});

/** The compiled settings of a section that the schema has checked. */
export function compileAgentSettings(section: v.InferOutput<typeof agentSection>): AgentSettings {
  const { splay, retry, ...rest } = section;
  return { ...rest, splay_ms: splay, retryFirst_ms: retry.first, retryMax_ms: retry.max };
}
