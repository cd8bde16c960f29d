import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Message, receive, type Received } from "../../../src/steps/channel/channel.ts"
import { scripted } from "../../support/scripted.ts"

/** What a packet is taken for, and the calls that were made. */
const received = (
  text: string,
  fds: ReadonlyArray<number> = []
): Received & { readonly trace: ReadonlyArray<string> } => {
  const { layer, trace } = scripted((call) =>
    call._tag === "recvmsg" ? { data: Buffer.from(text), fds, credentials: { pid: 7, uid: 0, gid: 0 } } : undefined
  )
  return { ...Effect.runSync(Effect.provide(receive(3), layer)), trace: trace().slice(1) }
}

describe("receive", () => {
  it("takes the words, with who says them", () => {
    for (const word of ["Enter", "Entered", "Go", "Ready", "Done", "Failed"] as const) {
      const message: Message = { _tag: word }
      assert.deepInclude(received(JSON.stringify(message)), { _tag: "Message", message, pid: 7 })
    }
  })

  it("takes no bytes for the end", () => {
    assert.strictEqual(received("")._tag, "Closed")
  })

  it("closes descriptors that come along, whatever they come with", () => {
    assert.deepStrictEqual(received("{\"_tag\":\"Entered\"}", [8, 9]).trace, ["close(8)", "close(9)"])
    assert.deepStrictEqual(received("E....", [8]).trace, ["close(8)"])
  })

  it.for([
    ["no JSON", "{"],
    ["no message", "{}"],
    ["an unknown word", "{\"_tag\":\"Obey\"}"],
    ["a word in another form", "{ \"_tag\": \"Ready\" }"],
    ["a word with more behind it", "{\"_tag\":\"Ready\"}{\"_tag\":\"Ready\"}"],
    ["a word that brings something", "{\"_tag\":\"Failed\",\"error\":\"of somebody else\"}"],
    ["the name of what all objects have", "{\"_tag\":\"constructor\"}"],
    ["nesting without end", `{"_tag":${"[".repeat(60_000)}${"]".repeat(60_000)}}`]
  ])("takes %s for bytes that are no message", ([, text]) => {
    assert.strictEqual(received(text!)._tag, "Raw")
  })
})
