// Writes .env.example from what the code knows of its settings: npm run env-example. A test compares the file with this.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { agentSettingList } from '../agents/kit/settings.ts'
import { settingList } from '../src/runtime/settings.ts'

export const envExampleFile = fileURLToPath(new URL('../.env.example', import.meta.url))

export function envExample(): string {
  const ofNodes = new Set(settingList.map(({ name }) => name))
  const ofAgents = agentSettingList.filter(({ name }) => !ofNodes.has(name))
  return `${[
    'Every setting, each with its default. Take the # away in front of a name to set it, in a copy of this file:',
    '  cp .env.example .env; set -a; . ./.env; set +a; npm start',
    'What goes wrong where one is wrong: docs/operating.md. A secret may also stand in a file, named by NAME_FILE.',
    '',
    'Of a node',
    ...settingList.flatMap(linesOf),
    '',
    'Of an agent',
    ...ofAgents.flatMap(each => linesOf({ ...each, isSecret: false })),
  ]
    .map(line => (line === '' ? '' : `# ${line}`))
    .join('\n')}\n`
}

type Shown = {
  readonly name: string
  readonly fallback: string | undefined
  readonly about: string
  readonly isSecret: boolean
}

function linesOf({ name, fallback = '', about, isSecret }: Shown): string[] {
  return ['', `${about}${isSecret ? ' (secret)' : ''}`, `${name}=${forShells(fallback)}`]
}

/** A value with signs that a shell would read stands in quotes. */
function forShells(value: string): string {
  return /^[\w.,:/-]*$/.test(value) ? value : `'${value}'`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(envExampleFile, envExample())
