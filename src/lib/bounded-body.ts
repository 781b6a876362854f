/**
 * Reads an answer of `fetch`, of `maxBytes` at most: with more of it than that, `isCut`, and the rest is not waited for. Rejects as
 * the reading of its body does.
 */
export async function readBounded(
  response: Response,
  maxBytes: number,
): Promise<{ readonly bytes: Buffer; readonly isCut: boolean }> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBytes) return { bytes: Buffer.concat(chunks, maxBytes), isCut: true }
  }
  return { bytes: Buffer.concat(chunks), isCut: false }
}
