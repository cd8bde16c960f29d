/** Containers that are as long as a scope, on the model. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { defaultSpec } from "../../src/config/defaults.ts"
import { SIG } from "../../src/native/constants.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check, Faults, type Script } from "../../src/testing/Testing.ts"
import { withoutTraces } from "../support/shortTraces.ts"

withoutTraces()

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] })
const directory = { directory: true } as const
const machine = {
  files: {
    "/srv/web/bin/server": { mode: 0o755 },
    "/srv/web/bin/tool": { mode: 0o755 },
    "/srv/web/dev": directory,
    "/srv/web/proc": directory,
    "/srv/web/sys": directory,
    "/run/runfx": { directory: true, mode: 0o700 }
  }
}
const forever: Script = () => Effect.sleep("Infinity")
const place = { id: "web", stateRoot: "/run/runfx" }
const server = Runtime.spawn({ ...place, container })
const tool = { process: { ...container.process, args: ["/bin/tool"] } }

/** Others have their turn behind each write. */
const slowly = ({ invoke }: Kernel["Service"]): Kernel["Service"] => ({
  invoke: (call) => call._tag === "write" ? Effect.tap(invoke(call), Effect.sleep(1)) : invoke(call)
})

const check = <A, E>(act: Parameters<typeof Check.run<A, E>>[0], options: Check.Options = {}) =>
  Check.run(act, { machine, programs: { "/bin/server": forever, "/bin/tool": forever }, ...options })

/** What a life leaves, and what it came to. */
const scoped = <A, E>(
  use: (handle: Runtime.ContainerHandle<Runtime.RunError>) => Parameters<typeof check<A, E>>[0],
  options?: Check.Options
) => {
  const checked = check(Effect.updateService(Effect.scoped(Effect.flatMap(server, use)), Kernel, slowly), options)
  Check.unchanged(checked)
  return checked
}

describe("a container with a scope", () => {
  it("runs as long as the scope, and is removed with it", () => {
    const seen = Check.succeeded(scoped((web) =>
      Effect.gen(function*() {
        yield* Effect.sleep("1 hour")
        const listed = (yield* Runtime.list(place.stateRoot)).map(({ id }) => id)
        return { id: web.id, listed, isRunning: yield* web.isRunning, status: yield* web.status, pid: web.pid > 1 }
      })
    ))
    assert.deepStrictEqual<unknown>(seen, { id: "web", listed: ["web"], isRunning: true, status: "running", pid: true })
  })

  it("tells how its program has ended, when all is removed", () => {
    const seen = Check.succeeded(scoped((web) =>
      Effect.gen(function*() {
        const code = yield* web.exitCode
        const listed = yield* Runtime.list(place.stateRoot)
        yield* web.signal("SIGTERM")
        const pause = yield* Effect.flip(web.pause)
        return { code, listed, isRunning: yield* web.isRunning, status: yield* web.status, pause: pause._tag }
      }), { programs: { "/bin/server": () => Effect.as(Effect.sleep("5 seconds"), 7) } }))
    assert.deepStrictEqual<unknown>(seen, {
      code: 7,
      listed: [],
      isRunning: false,
      status: "stopped",
      pause: "NotRunning"
    })
  })

  it("is asked to end, and ended after a while: a process 1 does not feel what it has no handler for", () => {
    const checked = scoped((web) => Effect.andThen(web.kill(), web.exitCode))
    assert.strictEqual<number>(Check.succeeded(checked), 128 + SIG.KILL)
    const seconds = Number(checked.after.time / 1_000_000_000n)
    assert.isTrue(seconds >= 10 && seconds < 20, `${seconds} s`)
  })

  it("is paused and goes on, also if both are asked for at once, and its end does not wait for that", () => {
    const seen = Check.succeeded(scoped((web) =>
      Effect.gen(function*() {
        const all = Array.from({ length: 4 }, () => [web.resume, web.pause]).flat()
        yield* Effect.all(all, { concurrency: "unbounded", discard: true })
        const paused = yield* web.status
        const refused = yield* Effect.flip(web.exec(tool))
        yield* web.resume
        const resumed = yield* web.status
        yield* web.pause
        return { paused, refused: refused._tag, resumed, processes: (yield* web.stats).pids?.current }
      })
    ))
    assert.deepStrictEqual<unknown>(seen, {
      paused: "paused",
      refused: "NotRunning",
      resumed: "running",
      processes: 1n
    })
  })

  it("runs further programs, to their end or as long as a scope of theirs", () => {
    const seen = Check.succeeded(scoped((web) =>
      Effect.gen(function*() {
        const code = (yield* web.exec({ process: { ...tool.process, args: ["/bin/other"] } })).code
        const status = yield* Effect.scoped(Effect.gen(function*() {
          const further = yield* web.spawn(tool)
          assert.isTrue(yield* further.isRunning)
          yield* further.signal("TERM")
          const first = yield* further.exitCode
          yield* further.signal("TERM")
          yield* web.spawn(tool)
          return { first, processes: (yield* web.stats).pids?.current }
        }))
        return { code, status, processes: (yield* web.stats).pids?.current }
      }), {
      machine: { files: { ...machine.files, "/srv/web/bin/other": { mode: 0o755 } } },
      programs: { "/bin/server": forever, "/bin/tool": forever, "/bin/other": () => Effect.succeed(3) }
    }))
    assert.deepStrictEqual<unknown>(seen, {
      code: 3,
      status: { first: 128 + SIG.TERM, processes: 2n },
      processes: 1n
    })
  })

  it("is this very container: one that has got its id since is left alone", () => {
    const checked = check(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const old = yield* Scope.provide(server, scope)
      yield* Runtime.remove(place.id, { ...place, force: true })
      return yield* Effect.scoped(Effect.gen(function*() {
        const other = yield* server
        yield* old.signal("SIGKILL")
        yield* Effect.exit(old.pause)
        const refused = yield* Effect.flip(old.exec(tool))
        yield* Scope.close(scope, Exit.void)
        return { refused: refused._tag, old: yield* old.isRunning, other: yield* other.status }
      }))
    }))
    assert.deepStrictEqual<unknown>(Check.succeeded(checked), { refused: "NotRunning", old: false, other: "running" })
    Check.unchanged(checked)
  })

  it("is not there if its start is given up, long before the scope's end", () => {
    const stuck = { "/bin/server": forever }
    const checked = check(
      Effect.scoped(Effect.gen(function*() {
        const late = Effect.never
        const found = yield* Effect.timeoutOption(Runtime.spawn({ ...place, container, late }), "1 second")
        return [found._tag, yield* Runtime.list(place.stateRoot)]
      })),
      { programs: stuck }
    )
    assert.deepStrictEqual<unknown>(Check.succeeded(checked), ["None", []])
    Check.unchanged(checked)
  })

  it("fails as run does if it can't start, and refuses what is no signal", () => {
    const late = check(Effect.flip(Effect.scoped(Runtime.spawn({ ...place, container, patience: -1 }))))
    assert.strictEqual(Check.succeeded(late)._tag, "ConfigError")
    assert.strictEqual(Check.succeeded(scoped((web) => Effect.flip(web.signal("SIGNONE"))))._tag, "ConfigError")
    const odd = scoped((web) => Effect.flip(web.kill({ forceKillAfter: -1 })))
    assert.strictEqual(Check.succeeded(odd)._tag, "ConfigError")
  })

  it("has the scope die of a removal that fails, unless somebody was told", () => {
    const fails = { faults: Faults.failWhen(({ _tag }) => _tag === "unlinkat", "EIO") }
    const unseen = check(Effect.exit(Effect.scoped(server)), fails)
    const exit = Check.succeeded(unseen)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), String(exit))
    const told = check(
      Effect.scoped(Effect.gen(function*() {
        const web = yield* server
        yield* web.kill({ killSignal: "SIGKILL" })
        return (yield* Effect.flip(web.exit))._tag
      })),
      fails
    )
    assert.strictEqual(Check.succeeded(told), "PipelineError")
  })
})
