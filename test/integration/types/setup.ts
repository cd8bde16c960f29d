/** What the tests of the types of containers share: looks at one that runs. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Container } from "../../../src/config/Container.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { containerOf, on, options, sh } from "../../support/containers.ts"
import { eachLeavesNothing, ownPlace } from "../../support/ownPlace.ts"
import { eventually } from "../../support/until.ts"

export const place = ownPlace()

eachLeavesNothing(place)

export type Given = NonNullable<Parameters<typeof containerOf>[2]>

export interface Kind {
  readonly name: string
  readonly type: Runtime.InitType
  readonly userns: boolean
}

export const kinds: ReadonlyArray<Kind> = [
  { name: "standard", type: "standard", userns: false },
  { name: "userns with its side-car", type: "userns", userns: true },
  { name: "standard in a user namespace", type: "standard", userns: true }
]

export const proc = (pid: number, name: string): string => fs.readFileSync(`/proc/${pid}/${name}`, "utf8")
export const ns = (pid: number | "self", type: string): string => fs.readlinkSync(`/proc/${pid}/ns/${type}`)

export const status = (pid: number): Readonly<Record<string, string>> =>
  Object.fromEntries(proc(pid, "status").trim().split("\n").map((line) => line.split(/:\s*/, 2)))

export interface Running {
  readonly id: string
  readonly pid: number
}

/** Removes a container, and reaps its first process. */
const end = ({ id, pidfd }: { readonly id: string; readonly pidfd: number }) =>
  Effect.andThen(Runtime.remove(id, { stateRoot: place.stateRoot, force: true }), sys.close({ fd: pidfd }))

/** The channel closes in the middle of an exec, before the new credentials hold; a program that sleeps has left it behind. */
export const untilAsleep = (pid: number) => eventually(() => status(pid)["State"]!.startsWith("S"))

/** A container, for as long as `use` lasts. */
export const whileRunning = <A>(
  container: Container,
  given: Partial<Runtime.RunOptions>,
  use: (running: Running) => Effect.Effect<A, unknown, Kernel | Fork>
): Effect.Effect<A, unknown, Kernel | Fork> =>
  Effect.gen(function*() {
    const chosen = options(place, container, given)
    const { pid, pidfd } = yield* Runtime.create(chosen)
    yield* untilAsleep(pid)
    const exit = yield* Effect.exit(use({ id: chosen.id, pid }))
    yield* end({ id: chosen.id, pidfd })
    return yield* exit
  })

export const sleeping = ["/bin/sleep", "1000"]

/** Looks at the first process of a container that sleeps. */
export const look = (kind: Kind, given: Given, use: (running: Running) => void) =>
  on(whileRunning(
    containerOf(place, sleeping, { ...given, userns: kind.userns }),
    { type: kind.type },
    (running) => Effect.sync(() => use(running))
  ))

/** What a script in a container says, on both of its streams. */
export const tell = (kind: Kind, script: string, given: Given = {}) =>
  on(Effect.gen(function*() {
    const file = path.join(place.root, "tmp/out")
    const container = containerOf(place, sh(`exec >/tmp/out 2>&1\n${script}`), {
      readonlyRootfs: false,
      ...given,
      userns: kind.userns
    })
    yield* Runtime.run(options(place, container, { type: kind.type }))
    return yield* Effect.sync(() => {
      const text = fs.readFileSync(file, "utf8")
      fs.rmSync(file)
      return text
    })
  }))
