import { listen } from '../src/http/server.ts'
import { contenderApps } from './auth/contenders.ts'
import { setting } from './auth/messages.ts'

/* The process of one contender: told once what it is, and from then on asked for the CPU time that it has spent. */

process.once('message', async message => {
  const told = setting.parse(message)
  const { port } = await listen(await contenderApps[told.contender](told), 0, '127.0.0.1')
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMs: (user + system) / 1000 })
  })
  process.send?.({ port })
})
process.on('disconnect', () => process.exit())
