import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import { follow } from "../../src/cli/progress.ts"
import type { Event } from "../../src/engine/Events.ts"

const event = (_tag: "Started" | "Completed", step: string, pipeline = "create"): Event =>
  _tag === "Started" ? { _tag, pipeline, step } : { _tag, pipeline, step, milliseconds: 1 }

const execve = { _tag: "execve", path: "/bin/true", argv: [], envp: [] } as const

const following = () => {
  const turns: Array<boolean> = []
  const { line, observer } = follow((isSeen) => turns.push(isSeen))
  return { turns, observer, line: (columns?: number) => line(3400, columns) }
}

describe("progress", () => {
  it("names the step that is going on, of the process that is at work", () => {
    const { line, observer } = following()
    assert.isUndefined(line())
    observer.step(event("Started", "createCgroup"), 1)
    assert.strictEqual(line(), "runfx: createCgroup, 3 s")
    const { ended, observer: init } = observer.child()
    assert.strictEqual(line(), "runfx: createCgroup, 3 s")
    init.step(event("Started", "joinCgroup", "standard"), 2)
    assert.strictEqual(line(), "runfx: init: joinCgroup, 3 s")
    observer.step(event("Started", "re\u001blease"), 1)
    const side = observer.child()
    side.observer.step(event("Started", "bindRoot", "usernsSetup"), 3)
    assert.strictEqual(line(), "runfx: init 2: bindRoot, 3 s")
    side.ended()
    ended()
    assert.strictEqual(line(), "runfx: re\\x1blease, 3 s")
  })

  it("cuts a long name on a narrow terminal, and not the time", () => {
    const { line, observer } = following()
    observer.step(event("Started", "restoreParentDeathSignal"), 1)
    assert.strictEqual(line(40), "runfx: restoreParentDeathSignal, 3 s")
    assert.strictEqual(line(36), "runfx: restoreParentDeathSign…, 3 s")
    assert.strictEqual(line(36)?.length, 35)
  })

  it("names from where to where steps have run ahead, until their process has done them", () => {
    const { line, observer } = following()
    const { observer: init } = observer.child()
    for (const step of ["bindRoot", "mountFilesystems", "createDevices"]) init.ahead(step)
    assert.strictEqual(line(), "runfx: init: bindRoot to createDevices, 3 s")
    // something else came than was expected
    init.ahead("mountFilesystems")
    assert.strictEqual(line(), "runfx: init: bindRoot to mountFilesystems, 3 s")
    init.step(event("Started", "bindRoot"), 2, { calls: [] })
    init.step(event("Completed", "bindRoot"), 2, { calls: [] })
    assert.strictEqual(line(), "runfx: init: mountFilesystems, 3 s")
    init.step(event("Completed", "mountFilesystems"), 2, { calls: [] })
    init.step(event("Started", "announce"), 2)
    assert.strictEqual(line(), "runfx: init: announce, 3 s")
  })

  it("is gone before the program is executed, and comes again only for its removal", () => {
    const { line, observer, turns } = following()
    observer.step(event("Started", "releaseInit"), 1)
    const { ended, observer: init } = observer.child()
    init.step(event("Started", "exec", "standard"), 2)
    const end = init.call(execve, 2, undefined)
    assert.deepStrictEqual([turns, line()], [[false], undefined])
    end(Exit.void)
    ended()
    observer.step(event("Completed", "releaseInit"), 1)
    observer.step(event("Started", "leaveState"), 1)
    assert.deepStrictEqual([turns, line()], [[false], undefined])
    observer.step(event("Started", "removeCgroup", "remove"), 1)
    observer.step(event("Started", "removeState", "remove"), 1)
    assert.deepStrictEqual([turns, line()], [[false, true], "runfx: removeState, 3 s"])
  })
})
