/**
 * What a process of a container finds that may look at a process on its way in, and take its descriptors and its memory
 * (CAP_SYS_PTRACE): at each call that such a process makes, all that it has is on a list.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { CurrentStep } from "../../src/engine/Events.ts"
import { type Call, Kernel, type Result, sys, type SyscallError } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, on, options } from "../support/containers.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

const place = ownPlace()

const childPids = (): ReadonlyArray<string> =>
  fs.readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter((pid) => pid !== "")

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** The descriptors of a process: number, what it leads to, and the flags of open(2). */
const descriptorsOf = (pid: string) => {
  try {
    return fs.readdirSync(`/proc/${pid}/fd`).map((fd) => ({
      fd: Number(fd),
      link: fs.readlinkSync(`/proc/${pid}/fd/${fd}`),
      flags: Number.parseInt(/^flags:\s+(\d+)$/m.exec(read(`/proc/${pid}/fdinfo/${fd}`))?.[1] ?? "0", 8)
    }))
  } catch {
    return []
  }
}

/** What a process has that it must not have; nothing where all is well. */
const findings = (pid: string): ReadonlyArray<string> => {
  const mine = descriptorsOf("self")
  const streams = new Set(mine.filter(({ fd }) => fd <= 2).map(({ link }) => link))
  const others = new Set(mine.map(({ link }) => link).filter((link) => !streams.has(link)))
  const lifelines: Array<string> = []
  const found = descriptorsOf(pid).filter(({ fd, flags, link }) => {
    if (fd <= 2) return false
    if (link.startsWith("pipe:") && (flags & 3) === 0) return lifelines.push(link) > 1
    // what its own pipeline has opened: files, namespaces, its sockets
    return /^(?:anon_inode:\[(?:eventpoll|eventfd|pidfd|io_uring)|pipe:)/.test(link) ||
      link.startsWith("socket:") && others.has(link)
  })
  const files = read(`/proc/${pid}/maps`).trim().split("\n").flatMap((line) => line.split(/\s+/)[5] ?? [])
  const strange = files.filter((file) =>
    !/^(?:\/memfd:runfx-(?:shared|init)|\[(?:stack|vdso|vvar\w*|vsyscall|heap|uprobes)\])$/.test(file)
  )
  return [
    ...found.map(({ fd, link }) => `${fd} ${link}`),
    ...strange,
    ...read(`/proc/${pid}/environ`) === "" ? [] : ["an environment"]
  ]
}

/** Looks at the processes on their way in before each of their calls. */
const watching = () => {
  const linux = Linux.make()
  const seen: Array<string> = []
  const steps = new Set<string>()
  const kernel: Kernel["Service"] = {
    invoke: <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> =>
      Effect.withFiber((fiber) => {
        const { pipeline = "", step = "" } = fiber.getRef(CurrentStep) ?? {}
        if (/^(?:standard|userns|usernsSetup|setns)$/.test(pipeline)) {
          steps.add(`${pipeline} ${step}`)
          const servers = childPids().filter((pid) => /^runfx-init$/m.test(read(`/proc/${pid}/comm`)))
          for (const pid of servers) seen.push(...findings(pid).map((one) => `${pipeline} ${step}: ${one}`))
        }
        return linux.invoke(call)
      })
  }
  return { kernel, seen, steps }
}

describe.skipIf(missing !== undefined)("a process on its way into a container", () => {
  for (const userns of [false, true]) {
    it.live(`has nothing of the runtime at any of its steps${userns ? " (userns)" : ""}`, () => {
      const { kernel, seen, steps } = watching()
      return on(
        Effect.gen(function*() {
          const given = options(place, containerOf(place, ["/bin/sleep", "1000"], { userns }))
          const { pidfd } = yield* Runtime.create(given)
          const { process } = containerOf(place, ["/bin/true"])
          const code = yield* Effect.map(
            Runtime.exec({ id: given.id, stateRoot: place.stateRoot, process }),
            ({ code }) => code
          )
          yield* Runtime.remove(given.id, { stateRoot: place.stateRoot, force: true })
          yield* sys.close({ fd: pidfd })
          assert.strictEqual(code, 0)
          assert.deepStrictEqual([...new Set(seen)], [])
          for (const step of ["awaitParent", "joinNamespaces", "forkIntoNamespaces", "exec"]) {
            assert.isTrue(steps.has(`setns ${step}`), step)
          }
        }),
        kernel
      )
    })
  }

  it("is where nobody can guess in the runtime's memory", () => {
    const script = `
      import * as Effect from "effect/Effect"
      import { readFileSync } from "node:fs"
      import { Fork } from "${repository}dist/native/Fork.js"
      import * as Linux from "${repository}dist/native/linux/Linux.js"
      const spawn = Effect.flatMap(Fork, (fork) => fork.spawn(0, Effect.never))
      await Effect.runPromise(Effect.provide(Effect.andThen(spawn, spawn), Linux.layer))
      console.log(readFileSync("/proc/self/maps", "utf8").match(/^[0-9a-f]+(?=.*runfx-shared)/gm).join("\\n"))
      process.exit()`
    const run = () =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd: repository, encoding: "utf8" })
    const addresses = [run(), run()].flatMap((lines) => lines.trim().split("\n"))
    assert.strictEqual(new Set(addresses).size, 4)
    // nor is it one place and a distance from there
    const [a, b, c, d] = addresses.map((address) => Number.parseInt(address, 16))
    assert.notStrictEqual(b! - a!, d! - c!)
  })
})
