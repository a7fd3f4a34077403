import { UsageError } from '../options.ts';
import { type Command, type OwnCommand, optionsOf } from './command.ts';

const SHELLS: Readonly<Record<string, (words: Words) => string>> = { bash, zsh, fish };

export const completion: Command = {
  name: 'completion',
  args: 'SHELL',
  summary: 'what makes bash, zsh or fish complete the commands, options and hosts',
  about:
    'The package of the controller has installed it. Elsewhere:\n' +
    'bash: holdfast completion bash > /etc/bash_completion.d/holdfast\n' +
    'zsh:  holdfast completion zsh > /usr/local/share/zsh/site-functions/_holdfast\n' +
    'fish: holdfast completion fish > ~/.config/fish/completions/holdfast.fish',
  online: false,
  async run(work) {
    const [shell = ''] = work.args;
    const make = SHELLS[shell];
    if (make === undefined) throw new UsageError(`SHELL expects ${Object.keys(SHELLS).join(', ')}`);
    const { COMMANDS } = await import('./commands.ts');
    work.io.out(make(wordsOf(COMMANDS)));
    return 0;
  },
};

/** What may follow what has been typed: by the words so far, each of them with a meaning for people. */
type Words = ReadonlyMap<string, readonly (readonly [word: string, help: string])[]>;

/** In the place of a word: the names of the hosts. */
const HOSTS = '@hosts';

function wordsOf(commands: readonly (Command | OwnCommand)[]): Words {
  const words = new Map<string, (readonly [string, string])[]>();
  const add = (after: string, word: string, help: string): void => {
    const known = words.get(after) ?? [];
    if (!known.some(([one]) => one === word)) known.push([word, help]);
    words.set(after, known);
  };
  for (const command of commands) {
    const [first = '', second] = command.name.split(' ');
    add('', first, second === undefined ? command.summary : `${first} …`);
    if (second !== undefined) add(first, second, command.summary);
    if ('own' in command) {
      for (const word of command.words) add(command.name, word, '');
      continue;
    }
    for (const [option, { help }] of Object.entries(optionsOf(command))) add(command.name, `--${option}`, help);
    if (/\bHOST\b/.test(command.args ?? '')) add(command.name, HOSTS, '');
    if (command === completion) for (const shell of Object.keys(SHELLS)) add(command.name, shell, '');
  }
  return words;
}

/** Asked of the controller when it is needed, within two seconds. */
const ASK_HOSTS = 'timeout 2 holdfast hosts --names 2>/dev/null';

function bash(words: Words): string {
  const cases = [...words].map(([after, list]) => {
    const plain = list.filter(([word]) => word !== HOSTS).map(([word]) => word);
    const hosts = plain.length < list.length ? ` $(${ASK_HOSTS})` : '';
    return `    '${after}') words="${plain.join(' ')}${hosts}" ;;\n`;
  });
  return `# bash completion for holdfast
_holdfast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" after="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    case " ${branches(words).join(' ')} " in
      *" \${after:+$after/}$word "*) after="\${after:+$after }$word" ;;
    esac
  done
  case "$after" in
${cases.join('')}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _holdfast holdfast
`;
}

/** `rollout/status`: what can come after what, without spaces. */
function branches(words: Words): readonly string[] {
  return [...words.keys()].filter((after) => after !== '').map((after) => after.replace(' ', '/'));
}

function zsh(words: Words): string {
  const cases = [...words].map(([after, list]) => {
    const plain = list
      .filter(([word]) => word !== HOSTS)
      .map(([word, help]) => `'${word}${help === '' ? '' : `:${quoted(help)}`}'`);
    const hosts = plain.length < list.length ? ` \${(f)"$(${ASK_HOSTS})"}` : '';
    return `    '${after}') words_here=(${plain.join(' ')}${hosts}) ;;\n`;
  });
  return `#compdef holdfast
_holdfast() {
  local after="" word
  local -a words_here
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$word" in -*) continue ;; esac
    case " ${branches(words).join(' ')} " in
      *" \${after:+$after/}$word "*) after="\${after:+$after }$word" ;;
    esac
  done
  case "$after" in
${cases.join('')}  esac
  _describe 'holdfast' words_here || _files
}
if [ "$funcstack[1]" = _holdfast ]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`;
}

function fish(words: Words): string {
  const lines: string[] = [];
  for (const [after, list] of words) {
    const parts = after.split(' ').filter((part) => part !== '');
    const others = (words.get(after) ?? []).map(([word]) => word).filter((word) => /^[a-z]/.test(word));
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`);
    const isBranch = after === '' || words.has(`${after} ${others[0] ?? ''}`);
    const when =
      after === ''
        ? '__fish_use_subcommand'
        : [...seen, ...(isBranch ? [`not __fish_seen_subcommand_from ${others.join(' ')}`] : [])].join('; and ');
    for (const [word, help] of list) {
      const about = help === '' ? '' : ` -d '${quoted(help)}'`;
      if (word === HOSTS) lines.push(`complete -c holdfast -n '${when}' -f -a '(${ASK_HOSTS})'`);
      else if (word.startsWith('--')) lines.push(`complete -c holdfast -n '${when}' -l ${word.slice(2)}${about}`);
      else lines.push(`complete -c holdfast -n '${when}' -f -a ${word}${about}`);
    }
  }
  return `# fish completion for holdfast\n${lines.join('\n')}\n`;
}

/** Within single quotes of a shell; a colon would end a word of zsh. */
function quoted(help: string): string {
  return help.replaceAll("'", '’').replaceAll(':', ' –').replaceAll('\\', '');
}
