/**
 * What is wrong with a network's configuration, found before the kernel is asked.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/** A field of a network that can't be used. */
export class NetworkError extends Data.TaggedError("NetworkError")<{
  /** The network's strategy. */
  readonly strategy: string
  /** The name of its interface inside. */
  readonly network: string
  /** The field, by its name in the model. */
  readonly field: string
  /** What is wrong with it, as the end of a sentence that begins with the field. */
  readonly problem: string
  readonly advice?: string
}> {
  override get message(): string {
    return `network "${this.network}" (${this.strategy}): ${this.field}: ${this.problem}`
  }
}

/** A network names a strategy that nobody provides. */
export class UnknownStrategyError extends Data.TaggedError("UnknownStrategyError")<{
  readonly strategy: string
  readonly network: string
  readonly known: ReadonlyArray<string>
}> {
  override get message(): string {
    return `network "${this.network}": unknown strategy type "${this.strategy}"; known are ${this.known.join(", ")}`
  }
  get advice(): string {
    return "use a known strategy, or provide this one through NetworkStrategies: by --flow, at run and at delete"
  }
}
