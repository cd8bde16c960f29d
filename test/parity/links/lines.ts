/** Words for the scenarios here. */
import { CLONE } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { gate, join, line, link, openGate, pass, start, write } from "../../support/vocabulary.ts"

/** All flags but IFF_RUNNING, which follows the carrier at the kernel's leisure (linkwatch). */
const IFF = 0xfffbf

/** The parts of links that are the same on every run: all but the addresses that the kernel draws. */
export const listed = line("rtnetlink", { request: { _tag: "LinkList" } }, {
  see: ["*.name", "*.index", `*.flags.&${IFF}`, "*.mtu"]
})

export const names = line("rtnetlink", { request: { _tag: "LinkList" } }, { see: "*.name" })

export const look = (name: string, ...parts: ReadonlyArray<string>): Line =>
  line("rtnetlink", { request: { _tag: "LinkGet", link: name } }, {
    see: parts.map((part) => part === "flags" ? `0.flags.&${IFF}` : `0.${part}`)
  })

export const veth = (name: string, peer: string, more = {}): Line => link({ _tag: "VethAdd", name, peer, ...more })
export const bridge = (name: string): Line => link({ _tag: "BridgeAdd", name })

export const set = (name: string | number, fields: Readonly<Record<string, unknown>>): Line =>
  link({ _tag: "LinkSet", link: name, ...fields })

export const remove = (name: string | number): Line => link({ _tag: "LinkDelete", link: name })

/** A process with a network namespace of its own, that looks around once it is let. */
export const beside = (lines: Scenario, then: Scenario): Scenario => [
  gate("go"),
  start("other", CLONE.NEWNET, [pass("go"), ...then]),
  ...lines,
  openGate("go"),
  join("other")
]

export const withoutIpv6: Scenario = [
  ...write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
  ...write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
]
