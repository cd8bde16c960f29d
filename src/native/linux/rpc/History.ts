/**
 * What journeys have learned. If a call returned something unexpected, it will most likely return the same when the same
 * step makes it for the next container.
 *
 * It only improves guesses. What is remembered is checked like any other guess, so a process that lies costs others one
 * turn at most.
 */
import type { Call } from "../../Kernel.ts"

/** How many answers are remembered; enough for some dozen kinds of containers. */
const most = 2000

/** Results by place: the result of a call, or 1 or 0 for the answer to a question. It never changes. */
export type Answers = ReadonlyMap<string, number>

/** The place of a call in its step. Descriptors are not part of it, since they differ from container to container. */
export const placeOf = (call: Call, index: number): string => `${index} ${call._tag} ${"path" in call ? call.path : ""}`

/** The place of a question: its number among the questions about one call's result. */
export const questionAt = (index: number, question: number): string => `${index} ? ${question}`

/** What is remembered of one step. */
interface Remembered {
  answers: Map<string, number>
  /** Whether somebody has got it since it was made, for whom it must not change. */
  isShared: boolean
}

/** The history of all processes of a kernel. */
export class History {
  readonly #steps = new Map<string, Remembered>()
  #count = 0

  /** What is remembered of a step; `undefined` if all results were as expected. What is returned never changes. */
  of(step: string): Answers | undefined {
    const known = this.#steps.get(step)
    if (known === undefined) return undefined
    known.isShared = true
    return known.answers
  }

  /** Remembers the answer to a question. */
  learn(step: string, question: string, answer: boolean): void {
    this.remember(step, question, answer ? 1 : 0)
  }

  /** Remembers a result. */
  remember(step: string, place: string, answer: number): void {
    if (this.#steps.get(step)?.answers.get(place) === answer) return
    if (this.#count >= most) {
      this.#steps.clear()
      this.#count = 0
    }
    const known = this.#steps.get(step) ?? { answers: new Map<string, number>(), isShared: false }
    // a step that runs again must meet the expectations that it has met before
    if (known.isShared) known.answers = new Map(known.answers)
    known.isShared = false
    known.answers.set(place, answer)
    this.#steps.set(step, known)
    this.#count++
  }
}
