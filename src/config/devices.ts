/**
 * The devices that containers have by default.
 *
 * @see OCI config-linux.md, "Default Devices"
 */
import { isDeepStrictEqual } from "node:util"
import type { Device, DeviceRule } from "./Container.ts"

const character = (path: string, major: number, minor: number): Device => ({
  path,
  type: "c",
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0
})

/** The nodes that are made if the configuration does not give its own; `/dev/ptmx` and `/dev/console` are no nodes. */
const defaultDevices: ReadonlyArray<Device> = [
  character("/dev/null", 1, 3),
  character("/dev/zero", 1, 5),
  character("/dev/full", 1, 7),
  character("/dev/random", 1, 8),
  character("/dev/urandom", 1, 9),
  character("/dev/tty", 5, 0)
]

/** Adds the default nodes to those given, except where a path is taken. */
export const withDefaults = (given: ReadonlyArray<Device>): ReadonlyArray<Device> => [
  ...given,
  ...defaultDevices.filter(({ path }) => !given.some((device) => device.path === path))
]

const rule = (
  allow: boolean,
  type: DeviceRule["type"],
  major: number | null,
  minor: number | null,
  access: string
): DeviceRule => ({ allow, type, major, minor, access })

/** Nothing is allowed. The other rules of a container follow it, and allow what it needs. */
export const denyAll: DeviceRule = rule(false, "a", null, null, "rwm")

/** Everything is allowed. */
export const allowAll: DeviceRule = rule(true, "a", null, null, "rwm")

/**
 * What is always allowed, except in a container of libcontainer's format, which lists all of it: to make nodes of any kind,
 * since they can't be opened; the default devices, terminals, and `/dev/net/tun`.
 */
export const defaultRules: ReadonlyArray<DeviceRule> = [
  rule(true, "c", null, null, "m"),
  rule(true, "b", null, null, "m"),
  ...defaultDevices.map(({ major, minor }) => rule(true, "c", major, minor, "rwm")),
  rule(true, "c", 136, null, "rwm"),
  rule(true, "c", 5, 2, "rwm"),
  // no more than an interface of the container's own network namespace can be made with it
  rule(true, "c", 10, 200, "rwm")
]

/** Whether rules allow everything, or at least the default devices: then no program is denied more than by default. */
export const allowDefaults = (rules: ReadonlyArray<DeviceRule>): boolean =>
  rules.every(({ allow }) => allow) ||
  isDeepStrictEqual(rules.slice(-defaultRules.length), defaultRules)
