/** What the instructions of a filter compute. */
import { type Scenario } from "../../support/parityLines.ts"
import { fork, mkdir } from "../../support/vocabulary.ts"
import { allowAll, errno, load, numbers, program } from "./lines.ts"

/** Runs instructions, and refuses mkdirat with what the accumulator then holds. */
const refusingWith = (...instructions: ReadonlyArray<readonly [number, number, number, number]>): Uint8Array =>
  program(
    [0x20, 0, 0, 0],
    [0x15, 1, 0, numbers.get("mkdirat")!],
    allowAll,
    ...instructions,
    [0x54, 0, 0, 0xffff],
    [0x44, 0, 0, errno],
    [0x16, 0, 0, 0]
  )

export const computing: Readonly<Record<string, Scenario>> = {
  "the accumulator is 32 bits": [
    load(refusingWith([0x00, 0, 0, 0xffffffff], [0x04, 0, 0, 3])),
    mkdir("d")
  ],
  "subtraction, product and quotient": [
    load(refusingWith([0x00, 0, 0, 20], [0x14, 0, 0, 6], [0x24, 0, 0, 3], [0x34, 0, 0, 4])),
    mkdir("d")
  ],
  "or, exclusive or, shifts and negation": [
    load(refusingWith([0x00, 0, 0, 5], [0x44, 0, 0, 8], [0xa4, 0, 0, 1], [0x64, 0, 0, 2], [0x74, 0, 0, 1])),
    mkdir("d"),
    load(refusingWith([0x00, 0, 0, 0xfffffff0], [0x84, 0, 0, 0])),
    mkdir("d")
  ],
  "the index register": [
    load(refusingWith([0x01, 0, 0, 7], [0x00, 0, 0, 4], [0x0c, 0, 0, 0])),
    mkdir("d"),
    load(refusingWith([0x00, 0, 0, 9], [0x07, 0, 0, 0], [0x00, 0, 0, 0], [0x87, 0, 0, 0])),
    mkdir("d")
  ],
  "memory": [
    load(refusingWith([0x00, 0, 0, 12], [0x02, 0, 0, 3], [0x00, 0, 0, 0], [0x60, 0, 0, 3])),
    mkdir("d"),
    load(refusingWith([0x01, 0, 0, 6], [0x03, 0, 0, 1], [0x60, 0, 0, 1])),
    mkdir("d")
  ],
  "the length of the data": [load(refusingWith([0x80, 0, 0, 0], [0x14, 0, 0, 40])), mkdir("d")],
  "dividing by a zero index kills": [
    fork(0, [load(refusingWith([0x01, 0, 0, 0], [0x00, 0, 0, 4], [0x3c, 0, 0, 0])), mkdir("d")])
  ],
  "comparisons with the index register": [0x1d, 0x2d, 0x3d, 0x4d].flatMap((operation) => [
    fork(0, [
      load(refusingWith([0x01, 0, 0, 5], [0x00, 0, 0, 5], [operation, 1, 0, 0], [0x00, 0, 0, 1], [0x04, 0, 0, 1])),
      mkdir("d")
    ]),
    fork(0, [
      load(refusingWith([0x01, 0, 0, 5], [0x00, 0, 0, 8], [operation, 1, 0, 0], [0x00, 0, 0, 1], [0x04, 0, 0, 1])),
      mkdir("d")
    ])
  ])
}
