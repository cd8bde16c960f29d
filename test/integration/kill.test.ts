import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { AT, CLD, CLONE, O, P, SIG, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Call, Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { kill } from "../../src/pipelines/kill.ts"
import * as Cgroup from "../../src/steps/cgroup/Cgroup.ts"
import { Reaped } from "../../src/steps/kill/facts.ts"
import { KillTarget } from "../../src/steps/kill/KillTarget.ts"
import { identify, isAlive, readStat } from "../../src/steps/proc/processes.ts"
import { hosts, live, on, shell, shellIn, withCgroup } from "../support/cgroups.ts"
import { readAll } from "../support/child.ts"
import { failNth } from "../support/faults.ts"
import { eventually } from "../support/until.ts"

type Target = KillTarget["Service"]

const run = (target: Target) => Effect.provideService(Pipeline.run(kill), KillTarget, target)

const end = (pid: number) =>
  Effect.andThen(sys.kill({ pid, signal: SIG.KILL }), sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }))

/** Ends a bystander with a signal of our own: it dies of that one, unless it has got another before. */
const wasSpared = (pid: number) =>
  Effect.gen(function*() {
    yield* sys.kill({ pid, signal: SIG.TERM })
    const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
    assert.strictEqual(status!.status, SIG.TERM)
  })

/** A process of nobody's business, that must survive. */
const bystander = Effect.gen(function*() {
  const { pid, release } = yield* shell("exec sleep 100")
  yield* release
  return (yield* identify(pid))!
})

const opens = (file: string, flags: number) => (call: Call): boolean =>
  call._tag === "openat2" && call.path === file && (call.flags & 3) === flags

const writes = (text: string) => (call: Call): boolean =>
  call._tag === "write" && Buffer.from(call.data).toString() === text

/** 200 shells, each of which starts one process after the other: 150 at leisure, 50 as fast as they can. */
const churn = "i=0; while [ $i -lt 150 ]; do (while :; do sleep 2; done) & i=$((i+1)); done; " +
  "while [ $i -lt 200 ]; do (while :; do (:); done) & i=$((i+1)); done; wait"

/** Without `cgroup.kill`, as before Linux 5.14. */
const withoutKillFile = Effect.map(Kernel, (kernel) => {
  const faulty = failNth(kernel, opens("cgroup.kill", O.WRONLY), "ENOENT", "every").kernel
  return faulty
})

for (const host of hosts) {
  for (const killFile of host.version === "v1" ? [false] : [true, false]) {
    describe.skipIf(host.missing !== undefined)(
      `kill on a ${host.version} host ${killFile ? "with" : "without"} cgroup.kill`,
      () => {
        it.effect("ends 200 processes that fork meanwhile, and none outside", () =>
          on(
            host,
            Effect.gen(function*() {
              const outside = yield* bystander
              const kernel = killFile ? yield* Kernel : yield* withoutKillFile
              const done = yield* withCgroup((cgroup) =>
                Effect.gen(function*() {
                  if (Cgroup.groupOf(cgroup, "pids") !== undefined) {
                    yield* Cgroup.applyLimits(cgroup, { devices: [], pids: { limit: 1000n } })
                  }
                  const pid = yield* shellIn(cgroup, churn)
                  const init = (yield* identify(pid))!
                  yield* eventually(Effect.map(Cgroup.pids(cgroup), (pids) => pids.length >= 350))
                  const provided = yield* Effect.provideService(
                    run({ cgroup, init, children: [] }),
                    Kernel,
                    kernel
                  )
                  const [status] = provided.mapUnsafe.get(Reaped.key) as Reaped["Service"]
                  assert.deepInclude(status, { pid, code: CLD.KILLED, status: SIG.KILL })
                  assert.deepStrictEqual(yield* Cgroup.pids(cgroup), [])
                  assert.isFalse(yield* Cgroup.isFrozen(cgroup))
                  yield* Cgroup.destroy(cgroup)
                  return !(yield* Cgroup.exists(cgroup))
                })
              )
              yield* wasSpared(outside.pid)
              return done
            })
          ).pipe(Effect.map((removed) => assert.isTrue(removed))))

        it.effect("ends what was paused before", () =>
          on(
            host,
            withCgroup((cgroup) =>
              Effect.gen(function*() {
                const pid = yield* shellIn(cgroup, "exec sleep 100")
                const init = (yield* identify(pid))!
                yield* Cgroup.freeze(cgroup)
                const kernel = killFile ? yield* Kernel : yield* withoutKillFile
                yield* Effect.provideService(run({ cgroup, init, children: [] }), Kernel, kernel)
                assert.isFalse(yield* Cgroup.isFrozen(cgroup))
                assert.isUndefined(yield* readStat(pid))
              })
            )
          ))
      }
    )
  }

  /** Step, and the call of it that is made to fail. */
  const freezeFile = host.version === "v1" ? "freezer.state" : "cgroup.freeze"
  const faults: ReadonlyArray<readonly [step: string, what: string, fits: (call: Call) => boolean]> = [
    ["freeze", "the write is refused", opens(freezeFile, O.WRONLY)],
    ["freeze", "the state can't be read", opens(host.version === "v1" ? "freezer.state" : "cgroup.events", O.RDONLY)],
    ["listProcesses", "the group can't be read", opens("cgroup.procs", O.RDONLY)],
    ["listProcesses", "a process can't be read", (call) => call._tag === "openat" && call.path.endsWith("/stat")],
    ["signalAll", "a process can't be opened", (call) => call._tag === "pidfd_open"],
    ["signalAll", "the signal is refused", (call) => call._tag === "pidfd_send_signal"],
    ["thaw", "the write is refused", writes(host.version === "v1" ? "THAWED" : "0")],
    ["reap", "the wait is refused", (call) => call._tag === "waitid"]
  ]

  describe.skipIf(host.missing !== undefined)(`a kill that fails on a ${host.version} host`, () => {
    for (const [step, what, fits] of faults) {
      it.effect(`at ${step}, where ${what}, leaves nothing frozen`, () =>
        on(
          host,
          withCgroup((cgroup) =>
            Effect.gen(function*() {
              const pid = yield* shellIn(cgroup, "exec sleep 100")
              const init = (yield* identify(pid))!
              const { failed, kernel } = failNth(yield* withoutKillFile, fits, "EIO")
              const failure = yield* Effect.flip(
                Effect.provideService(run({ cgroup, init, children: [] }), Kernel, kernel)
              )
              assert.strictEqual(failed(), 1)
              assert.strictEqual(failure.step, step)
              assert.strictEqual((failure.reason as { readonly code?: string }).code, "EIO")
              assert.deepStrictEqual(failure.rollback, [])
              assert.isFalse(yield* Cgroup.isFrozen(cgroup))
              if (step === "freeze" || step === "listProcesses") assert.isTrue(yield* isAlive(init))
            })
          )
        ))
    }

    it.effect("by an interruption leaves nothing frozen", () =>
      on(
        host,
        withCgroup((cgroup) =>
          Effect.gen(function*() {
            const pid = yield* shellIn(cgroup, "exec sleep 100")
            const init = (yield* identify(pid))!
            const kernel = yield* Kernel
            let wasFrozen: boolean | undefined
            const interrupting: Kernel["Service"] = {
              invoke: (call) =>
                wasFrozen === undefined && opens("cgroup.procs", O.RDONLY)(call)
                  ? Cgroup.isFrozen(cgroup).pipe(
                    Effect.orDie,
                    Effect.provideService(Kernel, kernel),
                    Effect.flatMap((frozen) => {
                      wasFrozen = frozen
                      return Effect.interrupt
                    })
                  )
                  : kernel.invoke(call)
            }
            const exit = yield* Effect.exit(
              Effect.provideService(run({ cgroup, init, children: [] }), Kernel, interrupting)
            )
            assert.isTrue(Exit.hasInterrupts(exit))
            assert.isTrue(wasFrozen)
            assert.isFalse(yield* Cgroup.isFrozen(cgroup))
            assert.isTrue(yield* isAlive(init))
          })
        )
      ))
  })
}

describe("kill without a cgroup", () => {
  it.effect("ends the init, and its pid namespace with it", () =>
    live(Effect.gen(function*() {
      const { pid, release } = yield* shell("sleep 100 & sleep 101 & wait", CLONE.NEWPID)
      yield* release
      const init = (yield* identify(pid))!
      const children = sys.openat({
        dirfd: AT.FDCWD,
        path: `/proc/${pid}/task/${pid}/children`,
        flags: O.RDONLY,
        mode: 0
      })
      const list = Effect.acquireUseRelease(children, readAll, (fd) => sys.close({ fd }))
      yield* eventually(Effect.map(list, (text) => text.trim().split(" ").length === 2))
      const members = (yield* list).trim().split(" ").map(Number)
      yield* run({ init, children: [] })
      for (const member of [pid, ...members]) assert.isUndefined(yield* readStat(member))
    })))

  it.effect("does not touch a process that has the pid of one that is gone", () =>
    live(Effect.gen(function*() {
      const outside = yield* bystander
      yield* run({ init: { pid: outside.pid, startTime: outside.startTime - 1n }, children: [] })
      yield* wasSpared(outside.pid)
    })))

  it.effect("reaps a child in the init's pid namespace, without which the init could not end", () =>
    live(Effect.gen(function*() {
      const { pid, release } = yield* shell("exec sleep 100", CLONE.NEWPID)
      yield* release
      const init = (yield* identify(pid))!
      // a child of ours in that namespace: it joins, and clones a sibling that is inside
      const fork = yield* Fork
      const before = yield* ownChildren
      const joiner = yield* fork.spawn(
        0,
        Effect.gen(function*() {
          const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: `/proc/${pid}/ns/pid`, flags: O.RDONLY, mode: 0 })
          yield* sys.setns({ fd, nstype: CLONE.NEWPID })
          yield* sys.reclone({ flags: 0 })
          yield* sys.execve({ path: "/bin/sleep", argv: ["sleep", "102"], envp: [] })
        })
      )
      yield* sys.waitid({ idtype: P.PID, id: joiner, options: W.EXITED })
      const executed = (yield* ownChildren).filter((child) => child !== pid && !before.includes(child))
      assert.strictEqual(executed.length, 1)
      const provided = yield* run({ init, children: executed })
      const statuses = provided.mapUnsafe.get(Reaped.key) as Reaped["Service"]
      assert.deepStrictEqual(
        statuses.map((status) => [status.pid, status.status]).toSorted(),
        [[pid, SIG.KILL], [executed[0]!, SIG.KILL]].toSorted()
      )
    })))

  it.effect("says which process does not end", () =>
    live(Effect.gen(function*() {
      const outside = yield* bystander
      const { kernel } = failNth(Linux.make(), (call) => call._tag === "pidfd_send_signal", "ESRCH", "every")
      const failure = yield* Effect.flip(
        Effect.provideService(run({ init: outside, children: [], patience: 50 }), Kernel, kernel)
      )
      yield* end(outside.pid)
      assert.strictEqual(failure.step, "reap")
      assert.strictEqual((failure.reason as { readonly _tag: string })._tag, "ProcessesRemain")
      assert.include(failure.message, `${outside.pid} (S)`)
    })))
})

const ownChildren = Effect.gen(function*() {
  const self = yield* sys.getpid({})
  const path = `/proc/${self}/task/${self}/children`
  const text = yield* Effect.acquireUseRelease(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY, mode: 0 }),
    readAll,
    (fd) => sys.close({ fd })
  )
  return text.trim().split(" ").filter((word) => word !== "").map(Number)
})
