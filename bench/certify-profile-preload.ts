import { writeFile } from 'node:fs/promises'
import { Session } from 'node:inspector/promises'

/* Loaded ahead of a program: each second SIGUSR2 writes a CPU profile of the time since the one before it. */

const SAMPLE_MICROSECONDS = 500
const session = new Session()
let isOn = false

process.on('SIGUSR2', () => {
  toggle().catch(error => process.stderr.write(`no profile: ${error}\n`))
})

async function toggle(): Promise<void> {
  if (!isOn) {
    isOn = true
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS })
    await session.post('Profiler.start')
    return
  }
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  isOn = false
  await writeFile(process.env['ASSAY_BENCH_PROFILE'] ?? 'process.cpuprofile', JSON.stringify(profile))
}
