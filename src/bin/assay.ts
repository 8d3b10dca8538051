#!/usr/bin/env node
import { letHeapGrow } from '../runtime/let-heap-grow.ts'
import { commands } from './commands.ts'

letHeapGrow()

const [name = 'help', ...args] = process.argv.slice(2)
const command = commands.get(name)

if (command === undefined) {
  console.error(`assay: there is no command "${name}". \`assay help\` lists them.`)
  process.exitCode = 2
} else if (command.takesNothing === true && args.some(isHelp)) {
  console.log(`assay ${name}    ${command.summary}`)
} else if (command.takesNothing === true && args.length > 0) {
  console.error(
    `assay ${name} takes nothing behind it, and "${args[0]}" stands there; what it does is set by the environment: docs/operating.md`,
  )
  process.exitCode = 2
} else {
  process.exitCode = await command.run(args)
}

function isHelp(arg: string): boolean {
  return arg === '--help' || arg === '-h'
}
