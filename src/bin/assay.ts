#!/usr/bin/env node
import { commands } from './commands.ts'

const [name = 'help', ...args] = process.argv.slice(2)
const command = commands.get(name)

if (command === undefined) {
  console.error(`assay: there is no command "${name}". \`assay help\` lists them.`)
  process.exitCode = 2
} else {
  process.exitCode = await command.run(args)
}
