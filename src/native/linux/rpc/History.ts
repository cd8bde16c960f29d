/**
 * What journeys have learned: where something else came than was taken for granted, it will most likely come again when the
 * same step makes the same call for the next container.
 *
 * It is about likelihood alone. Whatever is remembered is checked as any guess is, so that a process that lies costs others a
 * turn at most.
 */
import type { Call } from "../../Kernel.ts"

/** How many answers are remembered: those of some dozen kinds of containers. */
const most = 2000

/** What came, by place: a call's result, or 1 and 0 for the answer to a question. */
export type Answers = Map<string, number>

/** Where a call is in its step. What its descriptors are differs from container to container. */
export const placeOf = (call: Call, index: number): string => `${index} ${call._tag} ${"path" in call ? call.path : ""}`

/** Where a question stands: which one it is about the result of a call. */
export const questionAt = (index: number, question: number): string => `${index} ? ${question}`

/** One for the processes of a kernel. */
export class History {
  readonly #steps = new Map<string, Answers>()
  #count = 0

  /** What is remembered of a step; nothing if all has come as expected. */
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
