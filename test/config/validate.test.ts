import { assert, describe, it } from "@effect/vitest"
import type { Container } from "../../src/config/Container.ts"
import { validate } from "../../src/config/validate.ts"
import { MS } from "../../src/native/constants.ts"
import { brokenRules, identity, mount, userNamespace, veth, withProcess } from "../support/brokenRules.ts"
import { base, map, told, without } from "../support/validated.ts"

describe("validate", () => {
  it("takes a user namespace without an id 0, and a process that is another one", () => {
    const user = { _tag: "Ids", uid: 1000, gid: 1000, additionalGids: [] } as const
    const mappings = [map(1000, 100_000, 100)]
    const mounts = base.mounts.filter(({ type }) => type !== "devpts")
    assert.deepStrictEqual(
      told({ ...userNamespace, uidMappings: mappings, gidMappings: mappings, mounts, ...withProcess({ user }) }),
      []
    )
  })

  it("finds nothing wrong with the default", () => {
    assert.deepStrictEqual(validate(base), [])
  })

  it.each(brokenRules.map(([parts, ...lines]) => ({ parts, lines, name: lines[0] })))(
    "tells $name",
    ({ lines, parts }) => {
      const found = told(parts)
      assert.strictEqual(found.length, lines.length, found.join("\n"))
      // each expected line once; the order is that of the rules
      for (const line of lines) {
        assert.isTrue(
          found.some((text) => text.startsWith(line)),
          `${line}\n${found.join("\n")}`
        )
      }
    }
  )

  // what compares each with all before it takes minutes for these
  it("looks at many devices and mappings in no more time than at few", () => {
    const device = { ...base.devices[0]!, path: "/dev/x" }
    const devices = Array.from({ length: 40_000 }, (_, index) => ({ ...device, path: `/dev/x${index}` }))
    assert.deepStrictEqual(told({ devices: [...devices, { ...devices[1]!, minor: 77 }] }), [
      "devices[40000].path = \"/dev/x1\": must not be given twice with different values"
    ])
    const uidMappings = Array.from({ length: 100_000 }, (_, id) => map(id, id, 1))
    assert.deepStrictEqual(told({ ...userNamespace, uidMappings, gidMappings: identity }), [
      "uidMappings = 100000: must have at most 340 lines, as the kernel takes no more"
    ])
  })

  const fine: ReadonlyArray<Partial<Container>> = [
    { ...userNamespace, uidMappings: identity, gidMappings: identity },
    { namespaces: [{ type: "user", path: "/u" }, ...without("net"), { type: "net", path: "/n" }] },
    {
      networks: [{ strategy: "loopback", name: "lo", address: "127.0.0.1/0", gateway: "localhost" }, {
        ...veth,
        address: "10.0.0.2/24",
        gateway: "10.0.0.1",
        ipv6Address: "fd00::2/64",
        ipv6Gateway: "fe80::1",
        mtu: 1500
      }],
      routes: [{ gateway: "10.0.0.1" }, { destination: "0.0.0.0/0", interfaceName: "eth0" }]
    },
    mount({ type: "bind", flags: MS.BIND, source: "/x", destination: "/.hidden" }),
    {
      timeOffsets: [{ clock: "boottime", seconds: -1n, nanoseconds: 5 }],
      namespaces: [...base.namespaces, { type: "time" }]
    },
    { cgroup: { devices: [], memory: { limit: 2n, swap: -1n } } }
  ]
  it("finds nothing wrong with what may be", () => {
    for (const parts of fine) assert.deepStrictEqual(told(parts), [])
  })
})
