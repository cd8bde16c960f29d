/** What descriptors stand for, for a message that has no more than their numbers. */
import * as fs from "node:fs"
import { type Call, descriptorsOf } from "../Kernel.ts"

const placeOf = (fd: number): string | undefined => {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    // it is not open, or there is no /proc
    return undefined
  }
}

/** The files behind the descriptors of a call of this process that has failed, by the argument's name. */
export const placesOf = (call: Call): Readonly<Record<string, string>> | undefined => {
  const places = descriptorsOf(call).flatMap(([name, fd]) => {
    const place = placeOf(fd)
    return place === undefined ? [] : [[name, place] as const]
  })
  return places.length === 0 ? undefined : Object.fromEntries(places)
}
