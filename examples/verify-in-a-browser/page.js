import { readHeadersFile, verifyProof } from 'assay/verify'

const field = id => document.getElementById(id)

/** One key a line; the rest of a line after # is a remark. Undefined where there is none: no list was given. */
function keysIn(text) {
  const keys = text.split('\n').map(line => line.replace(/#.*/, '').trim())
  const given = keys.filter(key => key !== '')
  return given.length === 0 ? undefined : new Set(given)
}

async function textOf(input) {
  const [file] = input.files
  return file === undefined
    ? undefined
    : new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())
}

async function trustGiven() {
  const [logs, operators] = [keysIn(field('logs').value), keysIn(field('operators').value)]
  const file = await textOf(field('headers'))
  const headers = file === undefined ? undefined : readHeadersFile(file)
  if (headers?.ok === false) throw new Error(`the headers: ${headers.fault.detail}`)
  return {
    ...(logs && { logs }),
    ...(operators && { operators }),
    ...(headers && { headers: headers.value }),
    allowLocal: field('local').checked,
  }
}

async function check() {
  try {
    const proof = await textOf(field('proof'))
    if (proof === undefined) return
    const verdict = verifyProof(proof, await trustGiven())
    field('level').textContent = verdict.kind === 'valid' ? verdict.level : verdict.kind
    // As text only: what a sender wrote is never markup.
    field('said').textContent = JSON.stringify(verdict, undefined, 2)
  } catch (error) {
    field('level').textContent = 'not checked'
    field('said').textContent = error.message
  }
}

for (const id of ['proof', 'logs', 'operators', 'headers', 'local'])
  field(id).addEventListener('change', check)
