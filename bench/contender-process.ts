import { type Answer, type Command, command } from './submit/commands.ts'
import type { Contender, OpenContender } from './submit/contender.ts'
import { drive } from './submit/drive.ts'
import { profile } from './submit/profile.ts'
import { readWorkload, type Workload } from './submit/workload.ts'

/* The process of one contender: what it spends is what the contender spends. Only one that runs natively loads that. */

const openers: Record<'assay' | 'stock', () => Promise<OpenContender>> = {
  assay: async () => (await import('./submit/assay-contender.ts')).openAssay,
  stock: async () => (await import('./submit/stock-contender.ts')).openStock,
}

let open: { readonly contender: Contender; readonly workload: Workload } | undefined

process.on('message', async message => {
  try {
    process.send?.(await obey(command.parse(message)))
  } catch (error) {
    process.send?.({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
process.on('disconnect', () => process.exit())

async function obey(asked: Command): Promise<Answer<Command['what']>> {
  if (asked.what === 'open') {
    const workload = await readWorkload(asked.workloadFile)
    const opener = await openers[asked.contender]()
    open = { workload, contender: await opener({ databaseUrl: asked.databaseUrl, roots: workload.roots }) }
    return {}
  }
  if (open === undefined) throw new Error('a contender is opened before anything else is asked of it')
  switch (asked.what) {
    case 'submit':
      return submit(asked, open)
    case 'listen':
      return { url: await open.contender.listen() }
    case 'cpu':
      return { cpuMs: cpuMs() }
    case 'close':
      await open.contender.close()
      return {}
  }
}

async function submit(
  { of, from, to, concurrency, again, profiled }: Extract<Command, { what: 'submit' }>,
  { contender, workload }: NonNullable<typeof open>,
): Promise<Answer<'submit'>> {
  const run = async () => {
    const before = cpuMs()
    const driven = await drive(workload[of].slice(from, to), concurrency, async beef => {
      const admitted = await contender.submit(beef)
      if (admitted !== 1 && !again) throw new Error(`a batch was submitted and ${admitted} outputs admitted`)
    })
    return { ...driven, cpuMs: cpuMs() - before }
  }
  if (!profiled) return run()
  const { done, stages } = await profile(run)
  return { ...done, stages }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
