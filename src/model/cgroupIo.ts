/** The values that the files of the block device controllers accept. @see admin-guide/cgroup-v2.rst, "IO" */
import { existsSync } from "node:fs"
import { type Rule, valueOf } from "./cgroupWrite.ts"
import { refuse } from "./Machine.ts"

/** Whether this machine has a block device that is not a partition. */
const isWholeDevice = (device: string): boolean => {
  const path = `/sys/dev/block/${device}`
  return existsSync(path) && !existsSync(`${path}/partition`)
}

/** Limits of devices, one line each. A new limit replaces the device's, and 0 removes it (`tg_set_conf`). */
export const throttle = (bits: 32 | 64): Rule => ({ group, hierarchy, m, name, text }) => {
  // EINVAL: not a device and a number (blkg_conf_open_bdev); what follows the digits is ignored
  const [, major, minor, digits] = /^\s*(\d+):\s*(\d+)\s+(\d*)/.exec(text) ?? refuse("EINVAL")
  const device = `${Number(major)}:${Number(minor)}`
  if (m.facts.hostProc === true && !isWholeDevice(device)) refuse("ENODEV")
  const most = 1n << BigInt(bits)
  const given = BigInt(digits === "" ? refuse("EINVAL") : digits!)
  // truncated to the bits of the field
  const value = BigInt.asUintN(bits, given)
  const others = valueOf(hierarchy, group, name).split("\n").filter((line) =>
    line !== "" && !line.startsWith(`${device} `)
  )
  // the greatest number removes the limit too
  const none = given === 0n || value === most - 1n
  if (others.length > 0 && !none) m.unmodelled("in which order the limits of several devices are")
  return [...others, ...none ? [] : [`${device} ${value}`]].join("\n")
}

/** The values for no limit: 64 bits for bytes, 32 for operations. */
const unlimitedIo: Readonly<Record<string, bigint>> = {
  rbps: 2n ** 64n - 1n,
  wbps: 2n ** 64n - 1n,
  riops: 2n ** 32n - 1n,
  wiops: 2n ** 32n - 1n
}

/** Sets some or all limits of one device. A device without limits has no line (`tg_set_limit`). */
export const ioMax: Rule = ({ group, hierarchy, m, name, text }) => {
  // EINVAL: not a device, or nothing after it (blkg_conf_open_bdev)
  const [, major, minor, rest] = /^\s*(\d+):\s*(\d+)\s+(.*)$/s.exec(text) ?? refuse("EINVAL")
  const device = `${Number(major)}:${Number(minor)}`
  if (m.facts.hostProc === true && !isWholeDevice(device)) refuse("ENODEV")
  const lines = valueOf(hierarchy, group, name).split("\n").filter((line) => line !== "")
  const known = lines.find((line) => line.startsWith(`${device} `))
  const limits = new Map(Object.entries(unlimitedIo))
  for (const [, key, value] of known?.matchAll(/(\w+)=(\d+)/g) ?? []) limits.set(key!, BigInt(value!))
  for (const token of rest!.split(/\s+/).filter((word) => word !== "")) {
    const [, key, , digits] = /^(\w+)=(max|(\d+).*)$/.exec(token) ?? refuse("EINVAL")
    const most = unlimitedIo[key!] ?? refuse("EINVAL")
    const value = digits === undefined ? most : BigInt(digits)
    // ERANGE: 0; EINVAL: 1 byte, or 1 operation, in a second
    if (value === 0n) refuse("ERANGE")
    if (value === 1n) refuse("EINVAL")
    limits.set(key!, value < most ? value : most)
  }
  const others = lines.filter((line) => line !== known)
  const none = Object.entries(unlimitedIo).every(([key, most]) => limits.get(key) === most)
  if (others.length > 0 && !none) m.unmodelled("in which order the limits of several devices are")
  const shown = [...limits].map(([key, value]) => `${key}=${value === unlimitedIo[key] ? "max" : value}`)
  return [...others, ...none ? [] : [`${device} ${shown.join(" ")}`]].join("\n")
}
