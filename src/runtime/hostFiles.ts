/**
 * Files that a command line names. Their names may be any bytes, which texts hold as all texts that go to the kernel;
 * Node's own functions would look for another name.
 */
import { isUtf8 } from "node:buffer"
import { readFileSync, realpathSync } from "node:fs"
import { decode, encode } from "../native/text.ts"

/**
 * The text of a file.
 *
 * @throws also if it is not UTF-8: its bytes must not change silently
 */
export const readText = (file: string): string => {
  const bytes = readFileSync(encode(file))
  if (isUtf8(bytes)) return bytes.toString("utf8")
  throw new Error("is no UTF-8")
}

/** The directory that a path leads to, by its own name. */
export const realPath = (path: string): string => decode(realpathSync.native(encode(path), "buffer"))
