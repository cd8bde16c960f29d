/**
 * How an effect runs ahead of a server; ../../Ahead.ts explains what that is.
 *
 * The server's report about the list is trusted no more than its other answers. A server that lies misleads its own init
 * only, as it could by any call.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ahead from "../../Ahead.ts"
import { type Errno, numberOf } from "../../Errno.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { located } from "../failed.ts"
import type { Scratch } from "../Scratch.ts"
import { Batch, batchSize } from "./Batch.ts"
import { checkResult } from "./checks.ts"
import { Clock } from "./Clock.ts"
import { fits, isAlone, isLast, mayWait, textSize } from "./guesses.ts"
import { Handlers } from "./Handlers.ts"
import { placeOf } from "./History.ts"
import { comingFileSystem, comingStat, type Journeying } from "./later.ts"
import type { Block, Part } from "./Made.ts"
import { asksFor, callsOf, hasSkipped, isFailure, isOpen, isSameValue, Made, noCall, settled } from "./Made.ts"
import type { Process } from "./Process.ts"

/** A question in the list: its part, its place, and the answer that was assumed. */
interface Asked {
  readonly part: number
  readonly question: string | undefined
  readonly equals: boolean
}

/** Results that come by chance (EAGAIN, EINTR) predict nothing. */
const passing: ReadonlySet<number> = new Set([-numberOf("EAGAIN"), -numberOf("EINTR")])

/** The result of calls of a part after a wrong guess. How the part ends then has no meaning. */
const astray = Effect.die(Symbol("astray"))

/** Room for the arguments of the largest call, in bytes. */
const room = 0x31000

/** Steps of one process that run ahead. */
export class Journey implements Ahead.Journey {
  readonly #process: Process
  readonly #handlers: Handlers
  #batch: Batch
  /** Where the arguments begin in memory. */
  #start: number
  readonly #parts: Array<Part> = []
  #current = -1
  #again: number | undefined
  isLost = false
  left: Effect.Effect<never> | undefined
  /** Calls that have entries in the list or still lack an answer, in order. */
  #made: Array<Made> = []
  /** Questions by the number of their entry. */
  #checks = new Map<number, Asked>()
  /** When each part began, by the process's clock. */
  readonly #clock: Clock
  /** The guess for the calls that are made now. */
  #guess: Ahead.Guess | undefined
  /** The block that begins with the next call. */
  #entering: Block | undefined
  /** A failure of this module. No further list is made after it, because the last one may have been made. */
  #defect: Effect.Effect<never, SyscallError> | undefined
  #isKept = false

  constructor(process: Process) {
    this.#process = process
    this.#handlers = new Handlers(process)
    this.#clock = new Clock(process)
    const { batch, start } = listIn(process.memory)
    this.#batch = batch
    this.#start = start
  }

  readonly part = <A, E, R>(name: string, self: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
    Effect.suspend(() => {
      const index = ++this.#current
      const known = this.#parts[index]
      const answers = this.#process.history.of(name)
      if (known === undefined) {
        this.#parts.push({ name, log: [], next: 0, unlucky: 0, early: 0, answers, files: this.#process.files.copy() })
      } else {
        known.next = 0
        known.answers = answers
        this.#process.files = known.files.copy()
      }
      this.isLost = false
      this.#guess = undefined
      this.#entering = undefined
      this.#clock.mark(index, this.#batch)
      return Effect.exit(Effect.uninterruptible(self))
    })

  readonly times = (part: number): Ahead.Times | undefined => this.#clock.between(part)

  readonly keep = (): void => void (this.#isKept = true)

  readonly calls = (part: number): ReadonlyArray<Ahead.Settled> => callsOf(this.#parts[part])

  readonly settle: Effect.Effect<number | undefined> = Effect.suspend(() => {
    if (!this.isLost) this.#clock.mark(this.#current + 1, this.#batch)
    return Effect.map(this.#flush() as Effect.Effect<void>, () => {
      // a field was read that had no likely answer: the same part runs again, and can then be answered
      const again = this.#again ?? (this.isLost ? this.#current : undefined)
      this.#again = undefined
      if (again !== undefined) this.#current = again - 1
      else if (!this.#isKept) this.#parts.length = 0
      return again
    })
  })

  readonly invoke = <C extends Call>(
    call: C,
    plain: () => Effect.Effect<Result<C>, SyscallError>
  ): Effect.Effect<Result<C>, SyscallError> =>
    this.#invoke(call, this.#guess, plain) as Effect.Effect<Result<C>, SyscallError>

  readonly guessing = <A, E, R>(guess: Ahead.Guess, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
    const before = this.#guess
    this.#guess = guess
    return Effect.flatMap(Effect.exit(self), (exit) => {
      this.#guess = before
      return exit
    })
  }

  readonly once = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.contextWith((context: Context.Context<R>) => {
      const alone = Effect.provideContext(self, Context.add(context, Ahead.Current, undefined) as Context.Context<R>)
      return this.#invoke(noCall, undefined, () => alone as Effect.Effect<A, SyscallError>) as Effect.Effect<A, E>
    })

  readonly enter = (codes: readonly [Errno, Errno]): () => void => {
    const block: Block = { codes }
    this.#entering = block
    return () => {
      const { files, made } = block
      this.#entering = undefined
      if (this.isLost || made === undefined || made.isSettled || files === undefined) return
      // a block that leaves descriptors open or closed can't be skipped
      if (!this.#process.files.isSame(files)) return
      made.codes = codes
      made.until = this.#batch.length
      const [one, other] = codes
      this.#batch.skip(made.first, made.until - made.first - 1, [numberOf(one), numberOf(other)])
    }
  }

  #invoke(
    call: Call,
    guess: Ahead.Guess | undefined,
    plain: () => Effect.Effect<unknown, SyscallError>
  ): Effect.Effect<unknown, SyscallError> {
    if (this.#defect !== undefined || this.isLost) return this.#defect ?? astray
    const part = this.#parts[this.#current]!
    const before = part.log[part.next]
    if (before !== undefined) return this.#repeat(part, before, call)
    const { link, memory } = this.#process
    const isLarge = isLast(call) && textSize(call) > memory.room - room
    if (call === noCall || isAlone(call) || isLarge || call._tag === "dup3" && call.newfd === link) {
      return this.#alone(part, call, plain)
    }
    if (this.#batch.length > this.#batch.most - 16 || memory.room < room && memory.used > this.#start) {
      return Effect.andThen(this.#flush(), Effect.suspend(() => this.isLost ? astray : this.#join(part, call, guess)))
    }
    return this.#join(part, call, guess)
  }

  /** A call that was made in an earlier run of the part. */
  #repeat(part: Part, made: Made, call: Call): Effect.Effect<unknown, SyscallError> {
    if (!isSameValue(made.call, call)) {
      return Effect.die(new Error(`run again, an effect makes the call ${call._tag} in place of ${made.call._tag}`))
    }
    part.next++
    made.exit = located(made.exit!, this.#process.files)
    if (Exit.isSuccess(made.exit)) this.#process.files.made(call, made.exit.value)
    return made.exit
  }

  /** A call that is made by itself, after all calls before it. */
  #alone(
    part: Part,
    call: Call,
    plain: () => Effect.Effect<unknown, SyscallError>
  ): Effect.Effect<unknown, SyscallError> {
    return Effect.andThen(
      this.#flush(),
      Effect.suspend(() =>
        this.isLost ? astray : Effect.flatMap(Effect.exit(plain()), (exit) => {
          // the call's arguments have replaced the list, and the process may be a new one with new memory
          const { batch, start } = listIn(this.#process.memory)
          this.#batch = batch
          this.#start = start
          this.#log(part, settled(call, part, exit))
          return exit
        })
      )
    )
  }

  #log(part: Part, made: Made): void {
    part.log.push(made)
    part.next = part.log.length
  }

  /** A call that joins the list. */
  #join(part: Part, call: Call, guess: Ahead.Guess | undefined): Effect.Effect<unknown, SyscallError> {
    const likely = fits(call, guess) ? guess : undefined
    const made = new Made(call, part, this.#process.memory.used, this.#batch.length, likely)
    const entering = this.#entering
    if (entering !== undefined && entering.made === undefined) {
      entering.made = made
      entering.files = this.#process.files.copy()
      this.#entering = undefined
    }
    this.#log(part, made)
    this.#made.push(made)
    this.#handlers.run(made, this.#batch)
    if (made.exit === undefined) return this.#complete(made)
    if (Exit.isSuccess(made.exit)) {
      const { files } = this.#process
      const { index } = made
      const journeying = this.#journeying
      if (call._tag === "statx") made.coming = comingStat(made.output, journeying, index, files.before(call)) as never
      if (call._tag === "fstatfs") made.coming = comingFileSystem(made.output, journeying, index) as never
      if (made.coming !== undefined) made.exit = Exit.succeed(made.coming)
      else {
        checkResult(made, this.#batch, this.#journeying)
        files.made(call, made.exit.value)
      }
    }
    return made.exit
  }

  readonly #journeying: Journeying = {
    check: (check, question) => {
      this.#checks.set(this.#batch.length, { part: this.#current, question, equals: check.equals })
      this.#batch.check(check)
    },
    likely: (question, guess) => {
      const answer = this.#parts[this.#current]!.answers?.get(question)
      return answer === undefined ? guess : answer === 1
    },
    learn: (question, answer) => this.#learnAnswer(this.#parts[this.#current]!, question, answer),
    lose: () => {
      this.isLost = true
      this.#parts[this.#current]!.early++
    }
  }

  /** Has the list made, up to a call that only the kernel can answer. */
  #complete(made: Made): Effect.Effect<unknown, SyscallError> {
    return Effect.andThen(
      this.#flush(),
      Effect.suspend(() => {
        if (this.isLost || this.left !== undefined) return astray
        const exit = located(made.exit!, this.#process.files)
        if (Exit.isSuccess(exit)) this.#process.files.made(made.call, exit.value)
        return exit
      })
    )
  }

  /** Has all calls made that are in the list. */
  #flush(): Effect.Effect<void, SyscallError> {
    return Effect.suspend(() => {
      if (this.#defect !== undefined) return this.#defect
      if (this.#batch.length === this.#clock.marks) this.#clear()
      const { length } = this.#batch
      if (length === 0) return Effect.void
      const last = this.#made.find(({ call }) => isLast(call))
      if (last !== undefined) this.#batch.watch(last.first - 1)
      const waits = last !== undefined || this.#made.some(({ call }) => mayWait(call))
      return this.#process.make(this.#batch.address, length, waits).pipe(
        Effect.flatMap((held) => held === undefined ? this.#leave(last) : this.#take(held, length)),
        Effect.tapCause((cause) => Effect.sync(() => void (this.#defect ??= Effect.failCause(cause))))
      )
    })
  }

  /** The server has gone: its process has become a program if it has made all calls before the last one, and else has ended. */
  #leave(last: Made | undefined): Effect.Effect<void, SyscallError> {
    if (last === undefined || !this.#batch.isMade(last.first - 1)) return this.#process.leave
    this.left = this.#process.leave
    this.#made.pop()
    return this.#take(last.first, last.first)
  }

  /** Takes the outcome of a list: which calls were made, and which call or check was not as expected. */
  #take(said: number, length: number): Effect.Effect<void, SyscallError> {
    const held = said >= 0 && said <= length ? said : 0
    const asked = held < length ? this.#checks.get(held) : undefined
    const { known, lost, unlucky } = this.#sort(held)
    if (unlucky !== undefined) this.#remember(unlucky)
    this.#clock.take(held)
    this.#clear()
    this.#made = []
    for (const one of known) {
      // a part with too many wrong guesses waits for its calls: a failed one is remembered as a wrong guess is
      if (one !== unlucky && one.exit === undefined && isFailure(one)) this.#remember(one)
      if (one === unlucky || isOpen(one)) this.#learn(one)
      else one.isSettled = true
    }
    if (held < length) {
      // if a server makes fewer entries than it should, and no result says why, its init runs again
      if (unlucky === undefined && asked?.question !== undefined) {
        this.#learnAnswer(this.#parts[asked.part]!, asked.question, !asked.equals)
      }
      const again = unlucky === undefined && asked !== undefined
        ? asked.part
        : lost === undefined
        ? this.#current
        : this.#parts.indexOf(lost)
      this.isLost = true
      this.#again = again
      this.#parts.length = again + 1
      this.#parts[again]!.unlucky++
    }
    // a handler makes several calls, each with the answer to the one before
    if (this.#made.length > 0) return this.#flush()
    this.#process.memory.used = this.#start
    // the steps before this one are certain and never run again, so their calls are forgotten
    if (!this.isLost && !this.#isKept) { for (let part = 0; part < this.#current; part++) this.#parts[part]!.log = [] }
    return Effect.void
  }

  /** Remembers an unexpected result, as the guess for the next container. */
  #remember({ answers: [answer, further], call, index, part }: Made): void {
    if (answer === undefined || further !== undefined || passing.has(answer) || isLast(call)) return
    this.#process.history.remember(part.name, placeOf(call, index), answer)
  }

  #learnAnswer({ name }: Part, question: string, answer: boolean): void {
    this.#process.history.remember(name, question, answer ? 1 : 0)
  }

  #clear(): void {
    this.#batch.clear()
    this.#checks.clear()
    this.#clock.clear()
  }

  /** Which calls were made, with their results; and the last of them, if its result was not as expected. */
  #sort(held: number): {
    readonly known: ReadonlyArray<Made>
    readonly unlucky: Made | undefined
    readonly lost: Part | undefined
  } {
    const known: Array<Made> = []
    let unlucky: Made | undefined
    /** The part of the first call that was not made. */
    let lost: Part | undefined
    let skipped = 0
    for (const one of this.#made) {
      const { count, first } = one
      if (first < skipped || first > held) {
        if (first > held) lost ??= one.part
        one.part.log.splice(one.part.log.indexOf(one), 1)
        one.part.next = one.part.log.length
        continue
      }
      const end = first + count
      if (end > held) unlucky = one
      if (one === unlucky || asksFor(one)) {
        const came = Array.from({ length: Math.min(end, held + 1) - first }, (_, at) => this.#batch.result(first + at))
        one.answers = one.answers.length === 0 ? came : [...one.answers, ...came]
      }
      known.push(one)
      if (one.until !== undefined && hasSkipped(one)) skipped = one.until
    }
    return { known, lost: unlucky?.part ?? lost, unlucky }
  }

  /** Takes the certain outcome of a call, now that its answers have come. */
  #learn(one: Made): void {
    const { memory } = this.#process
    const { coming } = one
    one.first = this.#batch.length
    one.count = 0
    memory.used = one.memory
    this.#handlers.run(one, this.#batch)
    if (one.exit === undefined) return void this.#made.push(one)
    one.isSettled = true
    if (coming === undefined || Exit.isFailure(one.exit)) return
    coming.come(one.exit.value as never)
    this.#process.files.made(one.call, one.exit.value)
  }
}

/** Makes a list at the front of the memory for arguments; `start` is where the arguments begin. */
const listIn = (memory: Scratch): { readonly batch: Batch; readonly start: number } => {
  memory.reset()
  const batch = new Batch(memory.piece(batchSize(memory.room)))
  return { batch, start: memory.used }
}
