import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { PipelineError } from "../../src/engine/PipelineError.ts"
import { SyscallError } from "../../src/native/Kernel.ts"
import { ParentGone } from "../../src/steps/awaitParent.ts"
import { type Message, receive, type Received } from "../../src/steps/channel.ts"
import { classes } from "../../src/steps/errorClasses.ts"
import * as Wire from "../../src/steps/wire.ts"
import { scripted } from "../support/scripted.ts"

/** What a packet is taken for, and the calls that were made. */
const received = (
  text: string,
  fds: ReadonlyArray<number> = []
): Received & { readonly trace: ReadonlyArray<string> } => {
  const { layer, trace } = scripted((call) =>
    call._tag === "recvmsg" ? { data: Buffer.from(text), fds, credentials: { pid: 7, uid: 0, gid: 0 } } : undefined
  )
  return { ...Effect.runSync(Effect.provide(receive(3, classes), layer)), trace: trace().slice(1) }
}

describe("receive", () => {
  it("gives an error back as what it was", () => {
    const reason = new SyscallError({ call: { _tag: "sethostname", name: "box" }, code: "EPERM" })
    const error = new PipelineError({
      pipeline: "standard",
      step: "setHostname",
      reason,
      advice: "ask for a uts namespace",
      undone: [],
      residue: ["unshareNamespaces"],
      rollback: []
    })
    const message = received(Wire.encode({ _tag: "Failed", error }))
    assert(message._tag === "Message" && message.message._tag === "Failed")
    assert.instanceOf(message.message.error, PipelineError)
    assert.deepStrictEqual(message.message.error, error)
    assert.strictEqual(message.pid, 7)
  })

  it("takes the words of an init", () => {
    const words: ReadonlyArray<Message> = [
      { _tag: "Entered" },
      { _tag: "Ready" },
      { _tag: "Failed", error: "thrown text" }
    ]
    for (const message of words) {
      assert.deepInclude(received(JSON.stringify(message)), { _tag: "Message", message })
    }
  })

  it("closes descriptors that come along, whatever they come with", () => {
    assert.deepStrictEqual(received("{\"_tag\":\"Entered\"}", [8, 9]).trace, ["close(8)", "close(9)"])
    assert.deepStrictEqual(received("E....", [8]).trace, ["close(8)"])
  })

  const error = (tag: string, fields: unknown) =>
    `{"_tag":"Failed","error":{"$error":"${tag}","fields":${JSON.stringify(fields)},"message":"m"}}`

  it.for([
    ["no JSON", "{"],
    ["no message", "{}"],
    ["an unknown word", "{\"_tag\":\"Obey\"}"],
    ["a value in place of a message", "{\"$bigint\":\"1\"}"],
    ["a number that is none", "{\"_tag\":\"Failed\",\"error\":{\"$bigint\":\"one\"}}"],
    ["causes that are no list", "{\"_tag\":\"Failed\",\"error\":{\"$cause\":1}}"],
    ["no error", "{\"_tag\":\"Failed\"}"],
    ["an error that is only an object", "{\"_tag\":\"Failed\",\"error\":{\"toString\":1}}"],
    ["an error whose reason can't be shown", error("PipelineError", { reason: { toString: 1, valueOf: 1 } })],
    ["an error without its fields", error("SyscallError", {})],
    ["nesting without end", `{"_tag":${"[".repeat(60_000)}${"]".repeat(60_000)}}`]
  ])("takes %s for bytes that are no message", ([, text]) => {
    assert.strictEqual(received(text!)._tag, "Raw")
  })

  it("finds no error class in the prototype of the table", () => {
    for (const tag of ["constructor", "toString", "__proto__"]) {
      const message = received(error(tag, {}))
      assert(message._tag === "Message" && message.message._tag === "Failed")
      assert.instanceOf(message.message.error, Wire.ForeignError)
    }
  })

  it("does not let an error choose its prototype", () => {
    const fields = "{\"while\":\"w\",\"__proto__\":{\"forged\":true}}"
    const message = received(`{"_tag":"Failed","error":{"$error":"ParentGone","fields":${fields},"message":"m"}}`)
    assert(message._tag === "Message" && message.message._tag === "Failed")
    assert.instanceOf(message.message.error, ParentGone)
    assert.notProperty(message.message.error, "forged")
  })
})
