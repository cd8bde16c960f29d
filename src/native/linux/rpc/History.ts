/**
 * What journeys have learned. If a call returned something unexpected, it will most likely return that again when the same
 * step makes the same call for the next container.
 *
 * This is about likelihood only. What is remembered is checked like any other guess, so a process that lies costs others
 * one turn at most.
 */
import type { Call } from "../../Kernel.ts"

/** How many answers are remembered: those of some dozen kinds of containers. */
const most = 2000

/** The results, by place: that of a call, or 1 and 0 for the answer to a question. */
export type Answers = Map<string, number>

/** The place of a call in its step. Its descriptors are no part of it: they differ from container to container. */
export const placeOf = (call: Call, index: number): string => `${index} ${call._tag} ${"path" in call ? call.path : ""}`

/** The place of a question: its number among those about the result of one call. */
export const questionAt = (index: number, question: number): string => `${index} ? ${question}`

/** One for the processes of a kernel. */
export class History {
  readonly #steps = new Map<string, Answers>()
  #count = 0

  /** What is remembered of a step; nothing if all results were as expected. */
  of(step: string): Answers | undefined {
    return this.#steps.get(step)
  }

  remember(step: string, place: string, answer: number): void {
    if (this.#count >= most) {
      this.#steps.clear()
      this.#count = 0
    }
    const answers = this.#steps.get(step)
    if (answers === undefined) this.#steps.set(step, new Map([[place, answer]]))
    else answers.set(place, answer)
    this.#count++
  }
}
