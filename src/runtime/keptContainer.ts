/**
 * The container of a start, which is the same object in each start of the same container, and can't be changed by anybody.
 *
 * Applications start containers over and over, and most of what a start finds out about its container depends on nothing else:
 * whether it follows the rules, and what its text is. So this is found out once. The caller's object can be changed between
 * two starts, and during one; a copy that is frozen can't. A start takes the copy if the caller's object still has that content.
 *
 * Nothing of the host is remembered here, and no container that holds a secret.
 */
import type { Capabilities, Container, Process } from "../config/Container.ts"
import { hasContent, immutable, isImmutable } from "../engine/immutable.ts"

const none: Capabilities = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }

/**
 * A process whose capabilities are absent has none. An init would leave its own as they are, which are all of the runtime's: a
 * forgotten field must not grant these to the program.
 */
export const withoutLeftovers = (process: Process): Process =>
  process.capabilities === undefined ? { ...process, capabilities: none } : process

/** A container, with a process without leftovers. */
const startable = (container: Container): Container => {
  const process = withoutLeftovers(container.process)
  return process === container.process ? container : { ...container, process }
}

/** What was checked before. */
interface Kept {
  readonly checked: Container
  readonly started: Container
}

/**
 * Why there is no copy: the container was started once, and may never be again (a copy costs about as much as a check); or it is
 * not plain data.
 */
type NotKept = "startedOnce" | "notPlain"

/** By the caller's object, and as long as that one lives. */
const containers = new WeakMap<Container, Kept | NotKept>()

/** What a container that was checked before is started as; `undefined` if it was not, or has changed since. */
export const keptFor = (container: Container): Container | undefined => {
  const kept = containers.get(container)
  if (kept === undefined || typeof kept === "string") return undefined
  return kept.checked === container || hasContent(container, kept.checked) ? kept.started : undefined
}

/** Keeps a container that has just been checked. Returns what it is started as. */
export const keep = (container: Container): Container => {
  const before = containers.get(container)
  const isWorthIt = isImmutable(container) || before !== undefined && before !== "notPlain"
  const checked = isWorthIt ? immutable(container) : undefined
  const started = checked && immutable(startable(checked))
  if (checked === undefined || started === undefined) {
    containers.set(container, before === undefined ? "startedOnce" : "notPlain")
    return startable(container)
  }
  containers.set(container, { checked, started })
  return started
}
