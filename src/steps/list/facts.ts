/**
 * What the steps that look at all containers hand to each other.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { AnyPid } from "../../native/Handle.ts"
import type { ContainerId } from "../state/ContainerId.ts"
import type { State } from "../state/State.ts"
import type { Status } from "../state/status.ts"
import type { Entry } from "../state/Store.ts"

/** The directory whose containers are looked at. */
export class StateRoot extends Context.Service<StateRoot, string>()("runfx/StateRoot") {}

/** All containers that have a directory there: the state of each, or why it can't be read. */
export class Entries extends Context.Service<Entries, ReadonlyArray<Entry>>()("runfx/Entries") {}

/** A container of a list. */
export type Listed =
  | {
    readonly id: ContainerId
    readonly state: State
    readonly status: Status
    /** The pid of the first process in the caller's pid namespace; 0 if there is none, or if it can't be seen. */
    readonly pid: AnyPid
  }
  | { readonly id: ContainerId; readonly error: Error }

/** All containers, each with its status. */
export class Listing extends Context.Service<Listing, ReadonlyArray<Listed>>()("runfx/Listing") {}
