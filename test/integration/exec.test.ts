/** Further processes of a running container. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Process } from "../../src/config/Container.ts"
import { P, SIG, W } from "../../src/native/constants.ts"
import type { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import { awaitExit } from "../../src/runtime/awaitExit.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import * as Store from "../../src/steps/state/Store.ts"
import { containerOf, on, options, sh } from "../support/containers.ts"
import { eachLeavesNothing, ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"
import { eventually } from "../support/until.ts"

const place = ownPlace()
eachLeavesNothing(place)

const whileRunning = <A>(use: (id: string) => Effect.Effect<A, unknown, Kernel | Fork>, userns = false) =>
  on(Effect.gen(function*() {
    const container = containerOf(place, ["/bin/sleep", "1000"], { userns, readonlyRootfs: false })
    const given = options(place, container)
    const { pidfd } = yield* Runtime.create(given)
    const exit = yield* Effect.exit(use(given.id))
    yield* Runtime.remove(given.id, { stateRoot: place.stateRoot, force: true })
    yield* sys.close({ fd: pidfd })
    return yield* exit
  }))

const execOptions = (id: string, args: ReadonlyArray<string>, given: Partial<Process> = {}): Runtime.ExecOptions => ({
  id,
  stateRoot: place.stateRoot,
  process: { ...containerOf(place, args).process, ...given }
})

const codeOf = (id: string, args: ReadonlyArray<string>, given: Partial<Process> = {}) =>
  Effect.map(Runtime.exec(execOptions(id, args, given)), ({ code }) => code)

describe.skipIf(missing !== undefined)("exec", () => {
  for (const userns of [false, true]) {
    it.live(`gives the program's status, or 128 and its signal${userns ? " (userns)" : ""}`, () =>
      whileRunning((id) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* codeOf(id, sh("exit 0")), 0)
          assert.strictEqual(yield* codeOf(id, sh("exit 42")), 42)
          assert.strictEqual(yield* codeOf(id, sh("kill -TERM $$")), 143)
          assert.strictEqual(yield* codeOf(id, sh("kill -KILL $$")), 137)
          // SIGPIPE ends a program as it does anywhere: Node's own disposition is not inherited
          assert.strictEqual(yield* codeOf(id, sh("kill -PIPE $$")), 141)
        }), userns))
  }

  it.live("fails for a program that is not there or can't be executed", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        const errorOf = (program: string) =>
          Effect.map(Effect.flip(codeOf(id, [program])), (error) => {
            const { message, reason } = error as {
              readonly message: string
              readonly reason: { readonly exitCode?: number }
            }
            return [message, reason.exitCode] as const
          })
        const [missing, missingCode] = yield* errorOf("nosuch")
        assert.match(missing, /setns: findProgram: .*nosuch/)
        assert.strictEqual(missingCode, 127)
        const [bad, badCode] = yield* errorOf("/etc/passwd")
        assert.match(bad, /\/etc\/passwd/)
        assert.strictEqual(badCode, 126)
      })
    ))

  it.live("runs as a user of the container's files, in its groups, with its home", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        yield* codeOf(id, sh("id > /tmp/out; echo $HOME >> /tmp/out"), {
          user: { _tag: "Named", spec: "bob", additionalGids: [] },
          env: ["PATH=/bin"]
        })
        const file = path.join(place.root, "tmp/out")
        assert.strictEqual(
          fs.readFileSync(file, "utf8"),
          "uid=1000(bob) gid=1000(bob) groups=2000(users)\n/home/bob\n"
        )
        fs.rmSync(file)
      })
    ))

  it.live("many at once", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        const codes = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => index),
          (index) => codeOf(id, sh(`sleep 0.0${index % 3}; exit ${index}`)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(codes, codes.map((_, index) => index))
      })
    ))

  it.live("is interrupted by killing its process, and nothing but that", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        const running = yield* Deferred.make<number>()
        const fiber = yield* Effect.forkChild(
          Runtime.exec(execOptions(id, ["/bin/sleep", "1000"]), ({ pid }) => Deferred.succeed(running, pid))
        )
        const pid = yield* Deferred.await(running)
        yield* Fiber.interrupt(fiber)
        assert.isFalse(fs.existsSync(`/proc/${pid}`))
        assert.strictEqual(yield* codeOf(id, ["/bin/true"]), 0)
      })
    ))

  it.live("is refused where the container is paused, has stopped, or is not there", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        const { cgroup, init } = yield* Store.load(place.stateRoot, id)
        yield* Cgroup.freeze(cgroup!)
        const paused = yield* Effect.flip(codeOf(id, ["/bin/true"]))
        yield* Cgroup.thaw(cgroup!)
        assert.deepInclude(paused, { _tag: "NotRunning", status: "paused" })
        yield* sys.kill({ pid: init!.pid, signal: SIG.KILL })
        yield* sys.waitid({ idtype: P.PID, id: init!.pid, options: W.EXITED })
        assert.deepInclude(yield* Effect.flip(codeOf(id, ["/bin/true"])), { _tag: "NotRunning", status: "stopped" })
        assert.deepInclude(yield* Effect.flip(codeOf(`${id}x`, ["/bin/true"])), { _tag: "ContainerNotFound" })
      })
    ))

  /** A run and an exec in it, which both wait for their program's end, in this very process. */
  const both = <A>(use: (id: string) => Effect.Effect<A, unknown, Kernel | Fork>) =>
    on(Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const joined = yield* Deferred.make<void>()
      const given = options(place, containerOf(place, ["/bin/sleep", "1000"]))
      const run = yield* Effect.forkChild(Runtime.run(given, () => Deferred.succeed(begun, undefined)))
      yield* Deferred.await(begun)
      const exec = yield* Effect.forkChild(
        Runtime.exec(execOptions(given.id, ["/bin/sleep", "1000"]), () => Deferred.succeed(joined, undefined))
      )
      yield* Deferred.await(joined)
      yield* use(given.id)
      return { run: yield* Fiber.await(run), exec: yield* Fiber.await(exec) }
    }))

  it.live("ends with its container, and both are told how, where one process waits for both", () =>
    // the first process of a pid namespace can't end before all others in it are reaped
    Effect.gen(function*() {
      const { exec, run } = yield* both((id) => Runtime.kill(id, SIG.KILL, { stateRoot: place.stateRoot }))
      assert.strictEqual((yield* run).code, 137)
      assert.strictEqual((yield* exec).code, 137)
    }))

  it.live("ends with its container where that is killed from elsewhere", () =>
    Effect.gen(function*() {
      const { exec, run } = yield* both((id) =>
        Effect.flatMap(
          Store.load(place.stateRoot, id),
          ({ init }) => sys.kill({ pid: init!.pid, signal: SIG.KILL })
        )
      )
      assert.strictEqual((yield* run).code, 137)
      assert.strictEqual((yield* exec).code, 137)
    }))

  it.live("that nobody waits for does not keep its container from being killed", () =>
    whileRunning((id) =>
      Effect.gen(function*() {
        const { pid, pidfd } = yield* Runtime.start(execOptions(id, ["/bin/true"]))
        yield* eventually(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "))
        yield* Runtime.kill(id, SIG.KILL, { stateRoot: place.stateRoot, children: [pid] })
        assert.strictEqual((yield* Effect.exit(awaitExit(pidfd)))._tag, "Failure")
        yield* sys.close({ fd: pidfd })
      })
    ))
})
