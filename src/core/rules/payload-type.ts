import { payloadTypes } from '../event/payload-types.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { type CompiledSchema, compileSchema } from './json-schema.ts'

const schemas = new Map(Object.entries(payloadTypes).map(([name, { schema }]) => [name, schema]))

export function readPayloadTypeName(name: string): Outcome<string> {
  return schemas.has(name)
    ? accepted(name)
    : refused('policy-invalid', `there is no such payload type; known are ${[...schemas.keys()].join(', ')}`)
}

/** For names that readPayloadTypeName accepted. */
export function compilePayloadType(name: string): CompiledSchema {
  const schema = schemas.get(name)
  if (schema === undefined) throw new Error(`payload type ${name} is not registered`)
  return compileSchema(schema)
}
