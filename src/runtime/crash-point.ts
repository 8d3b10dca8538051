/**
 * Where a test may have this process killed, as by SIGKILL from outside: `ASSAY_CRASH_AT=<name>` or `<name>:<n>`, at the
 * n-th time that it comes by. Without that variable it costs a comparison.
 */
export function crashPoint(name: string): void {
  if (wanted === undefined || wanted.name !== name) return
  wanted.left -= 1
  if (wanted.left === 0) process.kill(process.pid, 'SIGKILL')
}

const wanted = readWanted(process.env['ASSAY_CRASH_AT'])

function readWanted(text: string | undefined): { name: string; left: number } | undefined {
  if (text === undefined || text === '') return undefined
  const [name = '', times = '1'] = text.split(':')
  return { name, left: Number(times) }
}
