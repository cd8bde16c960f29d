/** The machine code of the guard, on each machine: what it holds, and what it does at the end of who has made it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { MSG, SOCK } from "../../../src/native/constants.ts"
import { type Architecture, executable } from "../../../src/native/elf.ts"
import { Kernel, sys, type SyscallError } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { code } from "../../../src/native/linux/rpc/guardCode.ts"
import { heldBy } from "../../support/guards.ts"
import { hasEnded } from "../../support/host.ts"
import { until } from "../../support/until.ts"

const qemu = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].find((file) => fs.existsSync(file))

const here = <A>(effect: Effect.Effect<A, SyscallError, Kernel>): A =>
  Effect.runSync(Effect.provideService(effect, Kernel, Linux.make()))

/** A program that runs until it is killed. */
const sleeper = (): { readonly process: ChildProcess; readonly ended: Promise<NodeJS.Signals | null> } => {
  const process = spawn("sleep", ["1000"], { stdio: "ignore" })
  return { process, ended: new Promise((resolve) => process.on("exit", (_, signal) => resolve(signal))) }
}

/** A guard, of which descriptors are at most as many as the limit, and this process's end of its pair of sockets. */
const guardOf = (machine: Architecture, limit?: number) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-guard-"))
  const program = path.join(directory, "program")
  const { entries, base64 } = code[machine]
  fs.writeFileSync(program, executable(machine, Buffer.from(base64, "base64"), entries.start), { mode: 0o755 })
  const [mine, theirs] = here(sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC }))
  const command = machine === process.arch ? [program] : [qemu!, program]
  const limited = limit === undefined ? "" : `ulimit -n ${limit}; `
  const child = spawn("/bin/sh", ["-c", `exec 2>&-; ${limited}exec "$@"`, "sh", ...command], {
    stdio: [theirs, "ignore", "inherit"]
  })
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve))
  here(sys.close({ fd: theirs }))
  const send = (fds: ReadonlyArray<number>) =>
    sys.sendmsg({ fd: mine, data: Uint8Array.of(fds.length), fds, flags: MSG.DONTWAIT })
  let isOpen = true
  const close = () => {
    if (isOpen) here(sys.close({ fd: mine }))
    isOpen = false
  }
  return {
    child,
    ended,
    close,
    /** Hands over a process. */
    hold: ({ process: { pid } }: { readonly process: ChildProcess }) => {
      const pidfd = here(sys.pidfd_open({ pid: pid!, flags: 0 }))
      here(send([pidfd]))
      here(sys.close({ fd: pidfd }))
    },
    send: (fds: ReadonlyArray<number>) => here(send(fds)),
    /** As `send`: why it is refused, if it is. */
    refusal: (fds: ReadonlyArray<number>): SyscallError | undefined =>
      here(Effect.match(send(fds), { onFailure: (error) => error, onSuccess: () => undefined })),
    held: () => heldBy(child.pid!),
    remove: () => {
      close()
      child.kill("SIGKILL")
      fs.rmSync(directory, { recursive: true })
    }
  }
}

for (const machine of ["x64", "arm64"] as const) {
  const missing = machine !== process.arch && (machine === "x64" || qemu === undefined)
  if (missing) console.log(`the guard of ${machine} is not run: no qemu-aarch64 here (Debian: qemu-user-static)`)
  describe.skipIf(missing)(`the guard of ${machine}`, () => {
    it("kills what it holds when its caller has gone, and nothing else", async () => {
      const guard = guardOf(machine)
      const [held, other] = [sleeper(), sleeper()]
      try {
        guard.hold(held)
        guard.close()
        assert.strictEqual(await guard.ended, 0)
        assert.strictEqual(await held.ended, "SIGKILL")
        assert.isNull(other.process.exitCode)
      } finally {
        other.process.kill("SIGKILL")
        guard.remove()
      }
    })

    it("kills what was handed over right before the end", async () => {
      const guard = guardOf(machine)
      const held = [sleeper(), sleeper()]
      try {
        // it has not started yet, or reads nothing
        guard.child.kill("SIGSTOP")
        held.forEach(guard.hold)
        guard.close()
        guard.child.kill("SIGCONT")
        for (const { ended } of held) assert.strictEqual(await ended, "SIGKILL")
        assert.strictEqual(await guard.ended, 0)
      } finally {
        guard.remove()
      }
    })

    // the descriptors of a process that is not dumpable are root's to see
    it.skipIf(process.getuid!() !== 0)("has no descriptor left of 1,000 programs that have ended", async () => {
      const guard = guardOf(machine)
      const ending = [sleeper(), sleeper()]
      const last = sleeper()
      const pidfdOf = ({ process: { pid } }: typeof last) => here(sys.pidfd_open({ pid: pid!, flags: 0 }))
      const fds = ending.map(pidfdOf)
      try {
        guard.hold(last)
        for (let sent = 0; sent < 1000; sent += 250) guard.send(Array.from({ length: 250 }, (_, at) => fds[at % 2]!))
        await until(() => guard.held() === 1001)
        for (const { process } of ending) process.kill("SIGKILL")
        await until(() => guard.held() === 1)
        guard.close()
        assert.strictEqual(await last.ended, "SIGKILL")
      } finally {
        for (const fd of fds) here(sys.close({ fd }))
        guard.remove()
      }
    })

    it.skipIf(process.getuid!() !== 0)(
      "is done with a program that has ended, though its caller keeps the handle",
      async () => {
        const guard = guardOf(machine)
        const [first, last] = [sleeper(), sleeper()]
        const pidfd = here(sys.pidfd_open({ pid: first.process.pid!, flags: 0 }))
        try {
          guard.send([pidfd])
          await until(() => guard.held() === 1)
          first.process.kill("SIGKILL")
          await until(() => guard.held() === 0)
          // it counts what it has: one that looks at the first again and again has room for no other
          guard.hold(last)
          await until(() => guard.held() === 1)
          assert.isFalse(hasEnded(last.process.pid!))
          guard.close()
          assert.strictEqual(await last.ended, "SIGKILL")
        } finally {
          here(sys.close({ fd: pidfd }))
          for (const { process } of [first, last]) process.kill("SIGKILL")
          guard.remove()
        }
      }
    )

    // qemu needs more descriptors itself
    it.skipIf(machine !== process.arch)(
      "has what it can't take wait, and its caller is told when it is too much",
      async () => {
        const guard = guardOf(machine, 4)
        const [first, last] = [sleeper(), sleeper()]
        try {
          guard.hold(first)
          guard.hold(last)
          const pidfd = here(sys.pidfd_open({ pid: first.process.pid!, flags: 0 }))
          let error: unknown
          for (let tries = 0; error === undefined; tries++) {
            error = guard.refusal([pidfd])
            assert.isBelow(tries, 10_000)
          }
          assert.propertyVal(error, "code", "EAGAIN")
          here(sys.close({ fd: pidfd }))
          assert.isNull(first.process.signalCode)
          // the guard has room again, for one after the other
          first.process.kill("SIGKILL")
          await until(() => guard.refusal([]) === undefined)
          guard.close()
          assert.strictEqual(await last.ended, "SIGKILL")
          assert.strictEqual(await guard.ended, 0)
        } finally {
          guard.remove()
        }
      }
    )
  })
}
