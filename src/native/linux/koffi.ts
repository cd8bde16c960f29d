/**
 * Loads koffi, and binds the foreign functions that runfx calls: the C library's syscall(2), and runfx's machine code.
 *
 * The packages with koffi's addons are dependencies, not koffi itself. Its JavaScript takes 7 ms to load, an addon alone 1
 * ms; and it has an install script, which package managers warn of or refuse.
 */
import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as process from "node:process"
import { HostUnsupported } from "./HostUnsupported.ts"

/** An argument of a system call: an integer, an address, or a 64-bit value that a number can't hold. */
export type Word = number | bigint

/** What the C library provides. */
export interface Library {
  /** syscall(2): returns -1 on failure; {@link errno} then returns the errno. */
  readonly syscall: (number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word) => Word
  /** The errno of the last failure; valid until the next call. */
  readonly errno: () => number
  /** The address of a buffer's memory. It never changes, because a buffer of more than 64 bytes is outside of V8's heap. */
  readonly addressOf: (buffer: Uint8Array) => number
  /** Memory of a size in bytes, at an address that the caller has mapped. */
  readonly memoryAt: (address: number, size: number) => ArrayBuffer
  /** A function in machine code at an address, with a number of integer parameters and an integer result. */
  readonly functionAt: (address: number, parameters: number) => (...args: ReadonlyArray<Word>) => Word
}

/** The parts of koffi that are used. */
interface Koffi {
  readonly errno: () => number
  readonly proto: (result: "long", parameters: ReadonlyArray<"long">) => unknown
  readonly view: (address: number, size: number) => ArrayBuffer
  readonly decode: (address: number, type: unknown) => (...args: ReadonlyArray<Word>) => Word
  readonly load: (path: null) => {
    readonly func: {
      (name: "syscall", result: "long", parameters: ReadonlyArray<"long">): Library["syscall"]
      (
        name: "memmove",
        result: "intptr_t",
        parameters: readonly ["void *", "void *", "size_t"]
      ): (to: Uint8Array, from: Uint8Array, size: number) => number
    }
  }
}

/**
 * Whether the running C library is musl. If musl's loader is not installed, nothing else is read. If it is installed, the
 * process may still run on glibc, so the loaded files decide.
 */
const isMusl = (): boolean =>
  existsSync(`/lib/ld-musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`) &&
  readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-")

const open = (base: string): Koffi => {
  const name = `@koromix/koffi-linux-${process.arch}`
  let directory: string
  try {
    directory = dirname(createRequire(base).resolve(`${name}/package.json`))
  } catch (cause) {
    throw new HostUnsupported({
      problem: `${name} is not installed`,
      advice: "let the package manager install optional dependencies, too",
      cause
    })
  }
  const file = join(directory, `${isMusl() ? "musl" : "linux"}_${process.arch}`, "koffi.node")
  const addon = { exports: {} }
  try {
    process.dlopen(addon, file)
  } catch (cause) {
    throw new HostUnsupported({
      problem: `the addon can't be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      advice: `${file} must be on a file system without noexec, and Node must be allowed to load addons`,
      cause
    })
  }
  return addon.exports as Koffi
}

/**
 * Loads the C library's functions.
 *
 * `base` is the file, as a path or a file URL, from which the addon's package is resolved: this module's own by default. A bundle
 * in the CommonJS format has no `import.meta.url`; there its bundler must define it
 * (`define: { "import.meta.url": "__fileUrl" }` and a banner
 * `const __fileUrl = require("node:url").pathToFileURL(__filename).href`), or the caller gives `base`.
 *
 * @throws {HostUnsupported} if the system is not Linux on x86-64 or arm64, or if koffi can't be loaded
 */
export const load = (base: string = import.meta.url): Library => {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    throw new HostUnsupported({
      problem: `runfx needs Linux on x64 or arm64; this is ${process.platform} on ${process.arch}`,
      advice:
        "run it on such a machine, or in a virtual one; tests and plans on the model kernel of runfx/testing run anywhere"
    })
  }
  const koffi = open(base)
  // null is the program itself, which has loaded its C library, whatever the library's name
  const library = koffi.load(null)
  const memmove = library.func("memmove", "intptr_t", ["void *", "void *", "size_t"])
  return {
    syscall: library.func("syscall", "long", ["long", "long", "long", "long", "long", "long", "long"]),
    errno: koffi.errno,
    addressOf: (buffer) => memmove(buffer, buffer, 0),
    memoryAt: (address, size) => koffi.view(address, size),
    functionAt: (address, parameters) =>
      koffi.decode(address, koffi.proto("long", Array.from({ length: parameters }, () => "long" as const)))
  }
}
