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
import type { Errno } from "../../Errno.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { located } from "../failed.ts"
import { Blocks } from "./Blocks.ts"
import { checkResult } from "./checks.ts"
import { secondCall } from "./Client.ts"
import { type Copy, copyAt, runCopy } from "./Copies.ts"
import { Draft } from "./Draft.ts"
import { fits, isAlone, mayWait, room, textSize } from "./guesses.ts"
import { Handlers } from "./Handlers.ts"
import { comingFileSystem, comingStat, type Journeying } from "./later.ts"
import { List } from "./List.ts"
import type { Part } from "./Made.ts"
import { callsOf, isFailure, isLast, isOpen, isToldOf, Made, noCall, remember, repeat, settled, sort } from "./Made.ts"
import type { Process } from "./Process.ts"

/** The result of calls of a part after a wrong guess. The part's end has no meaning then. */
const astray = Effect.die(Symbol("astray"))

/** Steps of one process that run ahead. */
export class Journey implements Ahead.Journey {
  readonly #identity = Symbol("journey")
  readonly #process: Process
  readonly #handlers: Handlers
  readonly #list: List
  readonly #parts: Array<Part> = []
  #current = -1
  #again: number | undefined
  isLost = false
  left: Effect.Effect<never> | undefined
  certain = 0
  /** The guess for the calls that are made now. */
  #guess: Ahead.Guess | undefined
  #blocks = new Blocks()
  /** The part that is kept while it runs. */
  #draft: Draft | undefined
  /** A failure of this module. No further list is made after it, because the last one may have been made. */
  #defect: Effect.Effect<never, SyscallError> | undefined
  #isKept = false

  constructor(process: Process) {
    this.#process = process
    this.#handlers = new Handlers(process)
    this.#list = new List(process)
  }

  readonly part = <A, E, R>(
    name: string,
    self: Effect.Effect<A, E, R>,
    keeping?: Ahead.Keeping
  ): Effect.Effect<Exit.Exit<A, E>, never, R> =>
    Effect.suspend(() => {
      this.#enter(name)
      const run = Effect.exit(Effect.uninterruptible(self))
      if (keeping === undefined) return run
      const { link, memory } = this.#process
      const { answers, files } = this.#parts[this.#current]!
      this.#draft = new Draft(keeping, { batch: this.#list.batch, memory, files, link, answers })
      return Effect.tap(run, (exit) => Effect.sync(() => this.#keep(exit)))
    })

  /** Begins a part. */
  #enter(name: string): void {
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
    this.#reset()
    if (!this.#isOver()) this.#list.clock.mark(index, this.#list.batch)
  }

  #reset(): void {
    this.isLost = false
    this.#guess = undefined
    this.#blocks = new Blocks()
  }

  readonly keeps = (of: object): boolean =>
    !this.#isKept && !this.#isOver() && this.#parts[this.#current + 1] === undefined &&
    this.#process.kept.begin(of, this.#identity)

  /** Keeps the calls of the part that has just run. */
  #keep(exit: Exit.Exit<unknown, unknown>): void {
    const draft = this.#draft!
    this.#draft = undefined
    this.#process.kept.end()
    // another part may be lost as well, and this one is forgotten then
    if (this.isLost) return draft.stop()
    const kept = draft.finish(exit, this.#parts[this.#current]!.log, this.#process.files)
    if (kept === undefined) return
    this.#list.drafted = [...this.#list.drafted, { of: draft.keeping.of, kept, part: this.#current }]
  }

  readonly copied = (
    name: string,
    inputs: Ahead.Inputs,
    self: () => Effect.Effect<unknown, unknown>
  ): Exit.Exit<unknown> | undefined => {
    // what ran before has answers, and what is looked at must have been made by the effect
    if (this.#isKept || this.#isOver() || this.#parts[this.#current + 1] !== undefined) return undefined
    const { files, history, kept: all, link } = this.#process
    const found = all.find(inputs, { files, link, answers: history.of(name) })
    if (found === undefined || !this.#list.hasRoom(found.kept)) return undefined
    const { kept, parameters } = found
    this.#enter(name)
    return this.#list.copy({ of: inputs.of, kept, part: this.#current, name, self }, parameters)
  }

  readonly times = (part: number): Ahead.Times | undefined => this.#list.clock.between(part)
  readonly keep = (): void => void (this.#isKept = true)
  readonly calls = (part: number): ReadonlyArray<Ahead.Settled> => callsOf(this.#parts[part])

  readonly settle: Effect.Effect<number | undefined> = Effect.suspend(() => {
    if (!this.isLost && !this.#isOver()) this.#list.clock.mark(this.#current + 1, this.#list.batch)
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
    const blocks = this.#blocks
    const end = blocks.enter(codes)
    return () => this.isLost ? blocks.leave() : end(this.#list.batch, this.#process.files)
  }

  #invoke(
    call: Call,
    guess: Ahead.Guess | undefined,
    plain: () => Effect.Effect<unknown, SyscallError>
  ): Effect.Effect<unknown, SyscallError> {
    if (this.isLost || this.#isOver()) return this.#defect ?? astray
    if (this.#process.isBusy) return Effect.die(secondCall())
    const part = this.#parts[this.#current]!
    const before = part.log[part.next]
    if (before !== undefined) return repeat(part, before, call, this.#process.files)
    const { link, memory } = this.#process
    const isLarge = isLast(call) && textSize(call) > memory.room - room
    if (call === noCall || isAlone(call) || isLarge || call._tag === "dup3" && call.newfd === link) {
      return this.#alone(part, call, plain)
    }
    if (this.#list.isFull) {
      return Effect.andThen(this.#flush(), Effect.suspend(() => this.isLost ? astray : this.#join(part, call, guess)))
    }
    return this.#join(part, call, guess)
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
        this.isLost ? astray : Effect.flatMap(Effect.tap(Effect.exit(plain()), () => this.#process.idle), (exit) => {
          this.#list.renew()
          part.next = part.log.push(settled(call, part, exit))
          return exit
        })
      )
    )
  }

  /** A call that joins the list. */
  #join(part: Part, call: Call, guess: Ahead.Guess | undefined): Effect.Effect<unknown, SyscallError> {
    const likely = fits(call, guess) ? guess : undefined
    const made = new Made(call, part, this.#process.memory.used, this.#list.batch.length, likely)
    this.#blocks.join(made, this.#process.files)
    part.next = part.log.push(made)
    this.#list.made.push(made)
    this.#handlers.run(made, this.#list.batch)
    if (made.exit === undefined) return this.#complete(made)
    if (Exit.isSuccess(made.exit)) {
      const { files } = this.#process
      const [{ index }, journeying] = [made, this.#journeying]
      if (call._tag === "statx") made.coming = comingStat(made.output, journeying, index) as never
      if (call._tag === "fstatfs") made.coming = comingFileSystem(made.output, journeying, index) as never
      if (made.coming !== undefined) made.exit = Exit.succeed(made.coming)
      else {
        checkResult(made, this.#list.batch, this.#process.memory, this.#journeying)
        files.made(call, made.exit.value)
      }
    } else if (isToldOf(made)) made.exit = located(made.exit, this.#process.files)
    return mayWait(call) && made.isChecked ? this.#send(made.exit) : made.exit
  }

  /** Has the process begin with the list, since it waits at its end anyway, while the effect continues. */
  #send(exit: Exit.Exit<unknown, SyscallError>): Effect.Effect<unknown, SyscallError> {
    if (this.#blocks.areOpen || !this.#list.send()) return exit
    // it may wait for another fiber of this thread, which then comes first
    return Effect.andThen(Effect.yieldNow, Effect.suspend(() => this.#isOver() ? this.#defect! : exit))
  }

  /** Whether no further list is made. If another server has taken the memory, nothing more may be written to it. */
  #isOver(): boolean {
    if (!this.#process.isServed) this.#defect ??= this.#process.leave
    return this.#defect !== undefined
  }

  readonly #journeying: Journeying = {
    check: (check, question) => this.#list.check(this.#current, check, question),
    known: (question) => this.#parts[this.#current]!.answers?.get(question),
    learning: (question) => {
      const { name } = this.#parts[this.#current]!
      return (answer) => this.#process.history.remember(name, question, Number(answer))
    },
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
      this.#draft?.stop()
      if (this.#list.isEmpty) this.#list.clear()
      const { batch, copies, made } = this.#list
      const { length } = batch
      if (length === 0) return Effect.void
      const last = made.find(({ call }) => isLast(call))
      if (last !== undefined) batch.watch(last.first - 1)
      return this.#list.make().pipe(
        Effect.flatMap((said) => {
          if (said === undefined) return this.#leave(last)
          const held = said >= 0 && said <= length ? said : 0
          const wrong = copyAt(copies, held)
          if (wrong === undefined) return this.#take(held, length)
          return Effect.andThen(this.#runCopy(wrong), Effect.suspend(() => this.#take(held, length)))
        }),
        Effect.tapCause((cause) => Effect.sync(() => void (this.#defect ??= Effect.failCause(cause))))
      )
    })
  }

  /** The server has gone: its process has become a program if it has made all calls before the last one, and else has ended. */
  #leave(last: Made | undefined): Effect.Effect<void, SyscallError> {
    if (last === undefined || !this.#list.batch.isMade(last.first - 1)) {
      this.certain = this.#list.clock.reached() ?? this.certain
      return this.#process.leave
    }
    this.left = this.#process.leave
    this.#list.made.pop()
    return this.#take(last.first, last.first)
  }

  /** Runs a part whose calls were copied, so that each of them is known again. */
  #runCopy(copy: Copy): Effect.Effect<void> {
    const { batch, made } = this.#list
    const { files, kept, memory } = this.#process
    const [current, guess, blocks] = [this.#current, this.#guess, this.#blocks]
    kept.drop(copy.kept)
    const run = Effect.suspend(() => {
      this.#current = copy.part
      this.#process.files = this.#parts[copy.part]!.files.copy()
      this.#list.made = []
      this.#reset()
      return Effect.map(Effect.exit(Effect.uninterruptible(copy.self())), () => this.#list.made)
    })
    return Effect.map(runCopy(copy, { batch, memory }, run), (more) => {
      this.#current = current
      this.#process.files = files
      this.#guess = guess
      this.#blocks = blocks
      this.#list.made = [...made, ...more].toSorted((one, other) => one.first - other.first)
    })
  }

  /** Takes the outcome of a list: which calls were made, and which call or check was not as expected. */
  #take(held: number, length: number): Effect.Effect<void, SyscallError> {
    const asked = held < length ? this.#list.asked(held) : undefined
    const { known, lost, unlucky } = sort(this.#list.made, held, (entry) => this.#list.batch.result(entry))
    if (unlucky !== undefined) remember(this.#process.history, unlucky)
    const again = held < length ? this.#lostPart(asked, lost, unlucky) : undefined
    this.certain = again ?? this.#current
    this.#list.keep(again ?? this.#parts.length)
    this.#list.clock.take(held)
    this.#list.clear()
    this.#list.made = []
    for (const one of known) {
      // a part with too many wrong guesses waits for its calls: a failed one is remembered as a wrong guess is
      if (one !== unlucky && one.exit === undefined && isFailure(one)) remember(this.#process.history, one)
      if (one === unlucky || isOpen(one)) this.#learn(one)
      else one.isSettled = true
    }
    if (again !== undefined) {
      // if a server makes fewer entries than it should, and no result says why, its init runs again
      if (unlucky === undefined && asked?.question !== undefined) {
        this.#process.history.learn(this.#parts[asked.part]!.name, asked.question, !asked.equals)
      }
      this.isLost = true
      this.#again = again
      this.#parts.length = again + 1
      this.#parts[again]!.unlucky++
    }
    // a handler makes several calls, each with the answer to the one before
    if (this.#list.made.length > 0) return this.#flush()
    this.#process.memory.used = 0
    // the steps before this one are certain and never run again, so their calls are forgotten
    if (!this.isLost && !this.#isKept) { for (let part = 0; part < this.#current; part++) this.#parts[part]!.log = [] }
    return Effect.void
  }

  /** The number of the part that must run again. */
  #lostPart(asked: { readonly part: number } | undefined, lost: Part | undefined, unlucky: Made | undefined): number {
    if (unlucky === undefined && asked !== undefined) return asked.part
    return lost === undefined ? this.#current : this.#parts.indexOf(lost)
  }

  /** Takes the certain outcome of a call, now that its answers have come. */
  #learn(one: Made): void {
    const { coming } = one
    one.first = this.#list.batch.length
    one.count = 0
    this.#process.memory.used = one.memory
    this.#handlers.run(one, this.#list.batch)
    if (one.exit === undefined) return void this.#list.made.push(one)
    one.isSettled = true
    if (coming === undefined || Exit.isFailure(one.exit)) return
    coming.come(one.exit.value as never)
    this.#process.files.made(one.call, one.exit.value)
  }
}
