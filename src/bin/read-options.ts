import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What a command was called with; undefined where it has no such option, or an option lacks its value. */
export function readOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
): Called<Options> | undefined {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options })
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) return undefined
    throw error
  }
}

type Called<Options extends NonNullable<ParseArgsConfig['options']>> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: Options }>
>
