/**
 * The arguments of this command as they were given. Node reads them as UTF-8, and replaces other bytes by U+FFFD; the
 * kernel still has the bytes.
 *
 * @see proc_pid_cmdline(5)
 */
import { readFileSync } from "node:fs"
import process from "node:process"
import { textOf } from "../engine/errorText.ts"
import { decode } from "../native/text.ts"

const replaced = "\ufffd"

/** The last arguments of a command line in the kernel's form, each followed by a NUL. */
const lastOf = (line: Buffer, count: number): ReadonlyArray<Buffer> => {
  const found: Array<Buffer> = []
  let start = 0
  for (let end = line.indexOf(0); end >= 0; end = line.indexOf(0, start)) {
    found.push(line.subarray(start, end))
    start = end + 1
  }
  return found.slice(-count)
}

/**
 * Texts in which each byte that is not UTF-8 is a lone surrogate, as in all texts that go to the kernel and come from it.
 *
 * @param given the arguments as Node has them
 * @param commandLine reads what the kernel has; called only if something was replaced
 * @throws if the kernel can't be asked, or has other arguments: an argument must not change silently
 */
export const exactArguments = (given: ReadonlyArray<string>, commandLine: () => Buffer): ReadonlyArray<string> => {
  if (!given.some((text) => text.includes(replaced))) return given
  const refuse = (why: string): never => {
    const index = given.findIndex((text) => text.includes(replaced))
    throw new Error(
      `argument ${index + 1}, ${JSON.stringify(given[index])}, is not UTF-8, and its bytes are lost: ${why}`
    )
  }
  let exact: ReadonlyArray<Buffer>
  try {
    exact = lastOf(commandLine(), given.length)
  } catch (error) {
    return refuse(textOf(error))
  }
  if (exact.length !== given.length || !exact.every((bytes, index) => bytes.toString("utf8") === given[index])) {
    return refuse("/proc/self/cmdline has another command line")
  }
  return exact.map(decode)
}

/** Those of this process. */
export const ownArguments = (): ReadonlyArray<string> =>
  exactArguments(process.argv.slice(2), () => readFileSync("/proc/self/cmdline"))
