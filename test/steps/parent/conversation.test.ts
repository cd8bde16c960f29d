/** What the end of the channel means, behind "Ready". */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { CLD, POLL, SIG } from "../../../src/native/constants.ts"
import { emptyReport } from "../../../src/steps/init/initMain.ts"
import { programRuns } from "../../../src/steps/parent/conversation.ts"
import { scripted } from "../../support/scripted.ts"
import { process } from "../../support/steps.ts"

const peer = { channel: 3, pidfd: 4, report: emptyReport(), patience: 1000, deadline: Infinity }

/** Waits for a program whose init sends these packets; its process ends by SIGSEGV. */
const start = (refusesExec: boolean, ...packets: ReadonlyArray<string | Uint8Array>) => {
  const left = [`{"_tag":"Ready"}`, ...packets]
  const { layer } = scripted(({ _tag }) => {
    if (_tag === "poll") return [1]
    if (_tag === "waitid") return { pid: 5, uid: 0, code: CLD.KILLED, status: SIG.SEGV }
    return { data: Buffer.from(left.shift() ?? ""), fds: [], credentials: undefined }
  })
  return Effect.runSync(
    Effect.result(Effect.provide(programRuns({ ...peer, refusesExec }, "standard", process), layer))
  )
}

const refused = (code: number) => Uint8Array.of("E".charCodeAt(0), code, 0, 0, 0)

describe("a channel that is closed behind Ready", () => {
  it("says that the program runs", () => {
    assert.strictEqual(start(false)._tag, "Success")
  })

  it("is waited for once, for a glance, and then by each packet, as somebody else may hold it", () => {
    const left = [`{"_tag":"Ready"}`, ""]
    const { calls, layer } = scripted((call) => {
      if (call._tag !== "poll") return { data: Buffer.from(left.shift() ?? ""), fds: [], credentials: undefined }
      return call.events === 0 ? [0] : [POLL.IN]
    })
    Effect.runSync(Effect.provide(programRuns(peer, "standard", process), layer))
    const polls = calls.flatMap((call) => call._tag === "poll" ? [[call.events, call.timeout]] : [])
    assert.deepStrictEqual(polls, [[0, 100], [POLL.IN, 100], [POLL.IN, 100]])
  })

  it("says that nothing can have been started where the filter refuses that, and with it each word of it", () => {
    const ended = start(true)
    assert(ended._tag === "Failure" && ended.failure._tag === "InitDied")
    assert.include(ended.failure.message, "SIGSEGV")
    assert.include(ended.failure.advice, "does not allow execve")
  })
})

it("tells why the kernel refused the program, and the filter where that is what refuses it", () => {
  const said = (refusesExec: boolean, code: number) => {
    const ended = start(refusesExec, refused(code))
    assert(ended._tag === "Failure" && ended.failure._tag === "PipelineError")
    return ended.failure.advice
  }
  assert.include(said(false, 1), "process.capabilities.bounding")
  assert.include(said(false, 13), "interpreter can't be executed")
  assert.include(said(true, 1), "does not allow execve")
})
