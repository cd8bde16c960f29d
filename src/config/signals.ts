/**
 * Signals by name and number. @see signal(7)
 */
import { SIG } from "../native/constants.ts"

/** The highest signal number, `SIGRTMAX`. */
export const last = 64

const aliases: Readonly<Record<string, number>> = { IOT: SIG.ABRT, POLL: SIG.IO, CLD: SIG.CHLD }

const byName: Readonly<Record<string, number>> = { ...aliases, ...SIG }

/** The first real-time signal that programs may use: the C library keeps 32 and 33 for itself. */
const realTimeMinimum = 34

/**
 * The number of a signal as kill(1) takes it: `SIGTERM`, `term`, `15`, `RTMIN+1`, `SIGRTMAX-2`, and 0, which sends none
 * and only asks whether one could; `undefined` for what is none.
 */
export const numberOf = (text: string): number | undefined => {
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    return number <= last ? number : undefined
  }
  const name = text.toUpperCase().replace(/^SIG/, "")
  if (Object.hasOwn(byName, name)) return byName[name]
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name)
  if (realTime === null) return undefined
  const offset = Number(`${realTime[2] ?? "+"}${realTime[3] ?? "0"}`)
  const number = (realTime[1] === "MIN" ? realTimeMinimum : last) + offset
  return number >= realTimeMinimum && number <= last ? number : undefined
}

/** `SIGTERM` for 15, `SIGRTMIN+1` for 35; other numbers as texts. */
export const nameOf = (number: number): string => {
  const name = Object.entries(SIG).find(([, value]) => value === number)?.[0]
  if (name !== undefined) return `SIG${name}`
  if (number < realTimeMinimum || number > last) return String(number)
  return number === realTimeMinimum ? "SIGRTMIN" : `SIGRTMIN+${number - realTimeMinimum}`
}
