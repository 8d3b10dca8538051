import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { parse } from 'yaml'
import * as z from 'zod'

const document = z.object({
  asyncapi: z.literal('3.0.0'),
  channels: z.record(
    z.string(),
    z.object({
      address: z.string(),
      messages: z.record(z.string(), z.object({ payload: z.looseObject({}) })),
    }),
  ),
})

/** docs/asyncapi.yaml: what may be told at each address, by type. */
export function readAsyncApi(): ReadonlyMap<string, ReadonlyMap<string, ValidateFunction>> {
  const text = readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8')
  const yaml: unknown = parse(text)
  const { channels } = document.parse(inlined(yaml, yaml))
  const ajv = formats.default(new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }))
  return new Map(
    Object.values(channels).map(({ address, messages }) => [
      address,
      new Map(Object.entries(messages).map(([type, { payload }]) => [type, ajv.compile(payload)])),
    ]),
  )
}

/** Throws where a message is not as the document says. */
export function checkedBy(document: ReturnType<typeof readAsyncApi>) {
  return (path: string, message: unknown): void => {
    const [address = ''] = path.split('?')
    const type = z.looseObject({ type: z.string() }).parse(message).type
    const fits = document.get(address)?.get(type)
    if (fits === undefined) throw new Error(`docs/asyncapi.yaml has no ${type} at ${address}`)
    if (!fits(message)) throw new Error(`${JSON.stringify(message)}: ${JSON.stringify(fits.errors)}`)
  }
}

function inlined(node: unknown, root: unknown): unknown {
  if (Array.isArray(node)) return node.map(each => inlined(each, root))
  if (typeof node !== 'object' || node === null) return node
  if ('$ref' in node) return inlined(at(root, String(node.$ref)), root)
  return Object.fromEntries(Object.entries(node).map(([name, value]) => [name, inlined(value, root)]))
}

function at(root: unknown, ref: string): unknown {
  let node = root
  for (const name of ref.replace(/^#\//, '').split('/')) node = z.looseObject({}).parse(node)[name]
  return node
}
