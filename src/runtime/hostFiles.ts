/**
 * Files that a command line names. Their names may be any bytes, which texts hold as all texts that go to the kernel;
 * Node's own functions would look for another name.
 */
import { isUtf8 } from "node:buffer"
import { closeSync, openSync, readSync, realpathSync } from "node:fs"
import { longestDocument, tooLong } from "../config/Json.ts"
import { decode, encode } from "../native/text.ts"

/** What a file holds, up to a number of bytes: a device or a pipe may have no end. */
const readBytes = (file: string, most: number): Buffer => {
  const fd = openSync(encode(file), "r")
  try {
    const parts: Array<Buffer> = []
    for (let left = most, part: Buffer; left > 0; left -= part.length) {
      const block = Buffer.allocUnsafe(Math.min(left, 65_536))
      part = block.subarray(0, readSync(fd, block))
      if (part.length === 0) break
      parts.push(part)
    }
    return Buffer.concat(parts)
  } finally {
    closeSync(fd)
  }
}

/**
 * The text of a file that configures something.
 *
 * @throws also if it is not UTF-8, as its bytes must not change silently, and if it is longer than a configuration can be
 */
export const readText = (file: string): string => {
  const bytes = readBytes(file, longestDocument + 1)
  if (bytes.length > longestDocument) throw new Error(tooLong)
  if (isUtf8(bytes)) return bytes.toString("utf8")
  throw new Error("is not UTF-8")
}

/** The directory that a path leads to, by its own name. */
export const realPath = (path: string): string => decode(realpathSync.native(encode(path), "buffer"))
