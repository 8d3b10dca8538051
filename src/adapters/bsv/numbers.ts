/** As the SDK and the engine want bytes. A plain loop: Array.from costs many times as much. */
export function numbersOf(bytes: Uint8Array): number[] {
  const numbers = new Array<number>(bytes.length)
  for (let i = 0; i < bytes.length; i++) numbers[i] = bytes[i] ?? 0
  return numbers
}
