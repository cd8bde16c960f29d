/** Capability sets of a program. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as nodeProcess from "node:process"
import * as Capabilities from "../../../src/config/capabilities.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { exec, failing, finalize, hex, hostHas, look, none, own, sleeping, status, stay, user } from "./setup.ts"

const capabilities = (
  names: ReadonlyArray<Capabilities.Name>,
  more: { readonly ambient?: ReadonlyArray<Capabilities.Name>; readonly bounding?: ReadonlyArray<Capabilities.Name> } =
    {}
) => {
  const numbersOf = (list: ReadonlyArray<Capabilities.Name>) => list.map((name) => Capabilities.numbers[name])
  return {
    bounding: numbersOf(more.bounding ?? names),
    effective: numbersOf(names),
    permitted: numbersOf(names),
    inheritable: numbersOf(more.ambient ?? []),
    ambient: numbersOf(more.ambient ?? [])
  }
}

const setsOf = (pid: number) => {
  const { CapAmb, CapBnd, CapEff, CapInh, CapPrm } = status(pid)
  return { CapInh, CapPrm, CapEff, CapBnd, CapAmb }
}

layer(Linux.layer)("credentials", (it) => {
  describe("capabilities", () => {
    it.effect("root has exactly three, through exec too", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, capabilities: capabilities(["CHOWN", "KILL", "NET_BIND_SERVICE"]) } }
      }, (pid) => {
        const three = hex("CHOWN", "KILL", "NET_BIND_SERVICE")
        assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: three, CapEff: three, CapBnd: three, CapAmb: none })
      }))

    it.effect("a user keeps the ambient ones through exec, and nothing else", () =>
      look({
        steps: [...finalize, exec],
        given: {
          process: {
            ...sleeping,
            user: user(1000, 1001, 4, 27),
            noNewPrivileges: true,
            capabilities: capabilities(["NET_BIND_SERVICE", "CHOWN"], { ambient: ["NET_BIND_SERVICE"] })
          }
        }
      }, (pid) => {
        const one = hex("NET_BIND_SERVICE")
        assert.deepStrictEqual(setsOf(pid), {
          CapInh: one,
          CapPrm: one,
          CapEff: one,
          CapBnd: hex("NET_BIND_SERVICE", "CHOWN"),
          CapAmb: one
        })
        const { Gid, Groups, NoNewPrivs, Uid } = status(pid)
        assert.deepStrictEqual({ Gid, Groups, NoNewPrivs, Uid }, {
          Uid: "1000 1000 1000 1000",
          Gid: "1001 1001 1001 1001",
          Groups: "4 27",
          NoNewPrivs: "1"
        })
      }))

    it.effect("a user without ambient ones has none after exec", () =>
      look({
        steps: [...finalize, exec],
        given: { process: { ...sleeping, user: user(1000, 1000), capabilities: capabilities(["CHOWN"]) } }
      }, (pid) => {
        assert.deepStrictEqual(
          setsOf(pid),
          { CapInh: none, CapPrm: none, CapEff: none, CapBnd: hex("CHOWN"), CapAmb: none }
        )
        assert.strictEqual(status(pid)["NoNewPrivs"], "0")
      }))

    it.effect("a user has them before exec, kept over the change of the user", () =>
      look({
        steps: [...finalize, stay],
        given: { process: { ...sleeping, user: user(1000, 1000), capabilities: capabilities(["CHOWN", "KILL"]) } }
      }, (pid) => {
        const two = hex("CHOWN", "KILL")
        assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: two, CapEff: two, CapBnd: two, CapAmb: none })
      }))

    it.effect("none at all: the bounding set is empty up to the kernel's last capability", () =>
      look(
        { steps: [...finalize, exec], given: { process: { ...sleeping, capabilities: capabilities([]) } } },
        (pid) => {
          assert.deepStrictEqual(setsOf(pid), { CapInh: none, CapPrm: none, CapEff: none, CapBnd: none, CapAmb: none })
        }
      ))

    it.effect("are left alone where none are configured", () =>
      look({ steps: [...finalize, exec], given: { process: sleeping } }, (pid) => {
        assert.deepStrictEqual(setsOf(pid), setsOf(nodeProcess.pid))
      }))

    it.effect("that the host lacks are named", (context) =>
      Effect.gen(function*() {
        if (hostHas("SYS_RESOURCE")) return context.skip("this host has CAP_SYS_RESOURCE")
        const run = (more: Parameters<typeof capabilities>[1]) =>
          failing({
            steps: [...finalize, exec],
            given: { process: { ...sleeping, capabilities: capabilities(["KILL", "SYS_RESOURCE"], more) } }
          })
        const bounding = yield* run({})
        assert.include(bounding.message, "process.capabilities.bounding asks for what can't be had: CAP_SYS_RESOURCE")
        assert.strictEqual(bounding.failure?.step, "dropBoundingSet")
        const permitted = yield* run({ bounding: ["KILL"] })
        assert.include(permitted.message, "process.capabilities.permitted asks for what can't be had: CAP_SYS_RESOURCE")
        assert.strictEqual(permitted.failure?.step, "dropCapabilities")
      }))

    it.effect("can't leave the bounding set without CAP_SETPCAP", () =>
      Effect.gen(function*() {
        const dropAll = own("dropAll", sys.capset({ effective: 0n, permitted: 0n, inheritable: 0n }))
        const error = yield* failing({
          steps: [dropAll, ...finalize, exec],
          given: { process: { ...sleeping, capabilities: capabilities([]) } }
        })
        assert.strictEqual(error.reason, "BoundingSetLocked")
      }))
  })
})
