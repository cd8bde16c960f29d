/**
 * A process that starts a container and is killed in the middle of it, or ends in another way: run by node itself.
 *
 * `dying.ts STATE_ROOT ROOTFS ID CGROUP STEP NTH [SIGNAL]`: SIGKILL, or another signal, before the call of that number in a
 * step of a start; with a signal, of one that is detached.
 * `dying.ts STATE_ROOT ROOTFS ID "" end HOW`: runs a container to its end, and ends itself by HOW once that runs: `exit`,
 * `throw`, or a signal.
 * `dying.ts STATE_ROOT ROOTFS ID "" stuck`: runs a container whose removal never gets anywhere.
 */
import * as Effect from "effect/Effect"
import { writeSync } from "node:fs"
import process from "node:process"
import { defaultSpec } from "../../src/config/defaults.ts"
import { CurrentStep } from "../../src/engine/Events.ts"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"

const [stateRoot = "", rootfs = "", id = "", cgroup = "", step = "", how = "", signal = "SIGKILL"] = process.argv.slice(
  2
)
const live = Linux.make()
let seen = 0
const kernel: Kernel["Service"] = {
  invoke: (call) =>
    Effect.flatMap(CurrentStep, (current) => {
      const isIt = call._tag !== "close" && current?.pipeline === "create" && current.step === step && !current.undoing
      if (isIt && ++seen === Number(how)) process.kill(process.pid, signal)
      // a timer: with nothing to wait for, Node would end by itself
      if (step === "stuck" && current?.pipeline === "kill") return Effect.sleep("60 seconds")
      return live.invoke(call)
    }) as never
}

const end = (): void => {
  if (how === "exit") process.exit(3)
  if (how === "throw") throw new Error("on purpose")
  // as timeout(1) does: to the process, and to its group
  for (let times = 0; times < 2; times++) process.kill(process.pid, how.startsWith("SIG") ? how : Number(how))
}

const base = defaultSpec({ rootfs, args: ["/bin/sleep", "1000"] })
const container = cgroup === "" ? base : { ...base, cgroup: { ...base.cgroup!, path: cgroup, cpu: { shares: 512n } } }
const onRunning = ({ pid }: Runtime.RunningProcess): Effect.Effect<void> =>
  Effect.gen(function*() {
    writeSync(1, `${pid}\n`)
    if (step === "end") return void setTimeout(end, 0)
    if (step === "stuck") return
    // the step makes fewer calls than that: then when it is over
    if (signal === "SIGKILL" || seen < Number(how)) process.kill(process.pid, signal)
    // Node tells of a signal in a later turn: until then the start must not be over, nor the process have nothing to do
    yield* Effect.sleep("60 seconds")
  })
const options = { id, stateRoot, container }
const program: Effect.Effect<unknown, unknown, Kernel | Fork> = signal === "SIGKILL"
  ? Runtime.run(options, onRunning)
  : Runtime.create(options, onRunning)

void Effect.runPromise(
  program.pipe(Effect.provideService(Fork, Linux.fork(kernel)), Effect.provideService(Kernel, kernel))
).catch(() => undefined)
