/**
 * What a start makes in the directory of a container. A removal takes away only that.
 *
 * @category state
 * @since 0.2.0
 */
import type { DirectoryEntry } from "../../native/results.ts"

/** The name of the state file in a container's directory. */
export const stateFile = "state.json"

/**
 * A copy of it, to remove a container whose state file was damaged: without the copy, its cgroups and its process could not be
 * found.
 */
export const copyFile = ".state.json.copy"

/**
 * A file of this name is in a container's directory while its process waits to be started: the status is `created`, not
 * `running`.
 */
export const startGate = "exec.fifo"

/** The beginning of the name of a new state until it replaces the old one; a random part follows. */
const draft = `.${stateFile}.`

/** The name of a new file, until it is complete. */
export const draftOf = (random: Uint8Array): string => draft + Buffer.from(random).toString("hex")

type Entry = Pick<DirectoryEntry, "name" | "type">

/** Whether an entry can be what a start has made before its first state. */
export const isDraft = ({ name, type }: Entry): boolean => type !== "d" && name.startsWith(draft)

/** Whether an entry can be what a start has made. No start makes a directory there. */
export const isMade = (entry: Entry): boolean =>
  isDraft(entry) || (entry.type !== "d" && [stateFile, startGate].includes(entry.name))
