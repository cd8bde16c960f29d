/** Names for what tests make on this machine: by them, what a run has left behind is found. */
import process from "node:process"
import { variable } from "./leftovers.mjs"

/** A part of names that no other test process has; see `leftovers.mjs`. */
export const markOf = (kind: string): string => `${kind}${process.pid}-${process.env[variable] ?? "alone"}`
