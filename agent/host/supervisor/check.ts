import { CommandFailed, runCommand } from '../commands/run.ts';
import type { FileReader } from '../files/port.ts';
import { BrokenConfiguration } from './port.ts';

const PROGRAM = '/usr/bin/supervisord';
const REFUSED_CODE = 3;

/**
 * supervisord has no `-t`. Its own classes read the configuration here, with the new files laid over the old ones in
 * memory; nothing is opened for writing and no server is started. The job comes by standard input: it may hold secrets.
 */
const SCRIPT = `
import configparser, fnmatch, io, json, os, sys
from supervisor import options

job = json.load(sys.stdin)
overlay = job["files"]
find = options.glob.glob
read = configparser.RawConfigParser.read

def glob(pattern):
    kept = [name for name in find(pattern) if name not in overlay]
    new = [name for name, text in overlay.items() if text is not None and os.path.dirname(name) == os.path.dirname(pattern)
           and fnmatch.fnmatch(os.path.basename(name), os.path.basename(pattern))]
    return kept + new

def read_overlaid(parser, names, **kwargs):
    done = []
    for name in names:
        if overlay.get(name) is not None:
            parser._read(io.StringIO(overlay[name]), name)
            done.append(name)
        else:
            done.extend(read(parser, [name], **kwargs))
    return done

options.glob.glob = glob
configparser.RawConfigParser.read = read_overlaid
server = options.ServerOptions()
server.configfile = job["config"]
try:
    server.process_config(do_usage=False)
except (ValueError, configparser.Error) as problem:
    sys.stderr.write(str(problem))
    sys.exit(${REFUSED_CODE})
`;

export async function checkFiles(
  config: string,
  overlay: ReadonlyMap<string, string | undefined>,
  files: FileReader,
): Promise<void> {
  const job = { config, files: Object.fromEntries([...overlay].map(([path, text]) => [path, text ?? null])) };
  try {
    await runCommand({
      argv: [await interpreter(files), '-c', SCRIPT],
      input: JSON.stringify(job),
      timeout_ms: 30_000,
    });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const reason = error.output?.stderr.trim() ?? '';
    if (error.output?.code === REFUSED_CODE) throw new BrokenConfiguration(tidy(reason), { cause: error });
    throw new Error(`supervisor's own parser could not be asked to check the configuration: ${tidy(reason)}`, {
      cause: error,
    });
  }
}

/** The Python that supervisord itself runs under: only there its modules are sure to be found. */
async function interpreter(files: FileReader): Promise<string> {
  const first = (await files.readText(PROGRAM))?.split('\n', 1)[0] ?? '';
  return /^#!\s*(?<path>\/\S*python[\d.]*)/.exec(first)?.groups?.['path'] ?? '/usr/bin/python3';
}

/**
 * Python's own words, on one line and without the piece of the file that they quote: it may be a password. What is quoted
 * comes after `line: 3` or `[line  3]:`, as `Format string '…' for`, or as `in value '…'`.
 */
export function tidy(message: string): string {
  return message
    .replace(/(line: \d+)\s*\n\s*(?:'.*'|".*")\s*$/s, '$1')
    .replace(/(\[line\s+\d+\]): (?:'.*'|".*")$/gm, '$1')
    .replace(/Format string (?:'.*'|".*") for '/s, "Format string *** for '")
    .replace(/ in value (?:'.*'|".*") in section/s, ' in section')
    .replace(/\s*\n\s*/g, ' ')
    .trim();
}
