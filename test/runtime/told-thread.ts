import { parentPort, workerData } from 'node:worker_threads'

/** Does what it is told: answers, throws, or ends. */
parentPort?.on('message', (told: 'answer' | 'throw' | 'end') => {
  if (told === 'throw') throw new Error('told to throw')
  if (told === 'end') parentPort?.close()
  else parentPort?.postMessage(workerData)
})
